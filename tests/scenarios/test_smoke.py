def test_smoke(sandbox):
    c = sandbox(now="2024-01-01T00:00:00Z", timezone="Asia/Tokyo")
    assert c.get("/organizations")["organization"]["timezone"] == "Asia/Tokyo"
    c.at("2024-02-01T00:00:00Z")
    assert c.now() == "2024-02-01T00:00:00Z"
    r = c.send("GET", "/taxes/a%2Fb", raw=True)
    assert r.status_code == 404
