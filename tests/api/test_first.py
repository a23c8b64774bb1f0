from .conftest import *
async def test_a(api, acme):
    for p in ["/docs","/openapi.json","/v1/organization","/v1/plans","/v1/operations","/v1/approvals","/v1/notices","/v1/customers","/v1/invoices"]:
        r = await api.get(p, acme.admin)
        print(p, r.status_code, r.text[:200])
        assert r.status_code == 200
    r = await api.ask(acme.admin)
    print(r.status_code, r.headers, r.text)
    assert r.status_code == 202
    r2 = await api.ask(acme.admin)
    print(r2.headers)
    r3 = await api.get(f"/v1/operations/{r.json()['id']}/timeline", acme.admin)
    print(r3.text)
    r3 = await api.post(f"/v1/plan-changes/{r.json()['id']}/cancel", acme.admin)
    print(r3.status_code, r3.text)
