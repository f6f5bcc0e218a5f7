"""The invoice as a PDF: what it prints is written down once, and rendered from that whenever it is read."""
