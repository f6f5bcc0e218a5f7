"""Rating: subscription and period to usage to priced lines. The one path for current usage and invoices."""
