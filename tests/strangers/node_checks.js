// What a program does with the stripe package for Node that is installed where NODE_PATH says:
// `node node_checks.js ADDRESS`. Prints a line a check, `ok NAME` or `not ok NAME: why`.
"use strict";

const assert = require("node:assert/strict");
const Stripe = require("stripe");

const address = new URL(process.argv[2]);
const stripe = new Stripe("sk_test_node", {
  host: address.hostname,
  port: address.port,
  protocol: "http",
  maxNetworkRetries: 0,
});
const made = {};
const now = () => Math.floor(Date.now() / 1000);

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was refused");
}

const checks = {
  async "creates a customer with a card"() {
    const customer = await stripe.customers.create({
      name: "Node",
      email: "node@example.com",
      payment_method: "pm_card_visa",
      invoice_settings: { default_payment_method: "pm_card_visa" },
      metadata: { from: "node" },
    });
    made.customer = customer.id;
    assert.equal(customer.metadata.from, "node");
  },
  async "creates products and prices"() {
    const product = await stripe.products.create({ name: "Noded" });
    for (const [name, unit_amount] of [["small", 1000], ["large", 2000]]) {
      const recurring = { interval: "month" };
      made[name] = (await stripe.prices.create({ product: product.id, unit_amount, currency: "usd", recurring })).id;
    }
    made.product = product.id;
  },
  async "lists prices by product"() {
    const prices = await stripe.prices.list({ product: made.product, limit: 10 });
    assert.deepEqual(prices.data.map((price) => price.id), [made.large, made.small]);
  },
  async "creates a tiered price and expands its tiers"() {
    const price = await stripe.prices.create({
      product: made.product,
      currency: "usd",
      recurring: { interval: "month" },
      billing_scheme: "tiered",
      tiers_mode: "graduated",
      tiers: [{ up_to: 5, unit_amount: 700 }, { up_to: "inf", unit_amount: 650 }],
      expand: ["tiers"],
    });
    assert.equal(price.tiers.length, 2);
  },
  async "subscribes and expands the payments of the first invoice"() {
    const subscription = await stripe.subscriptions.create({
      customer: made.customer,
      items: [{ price: made.small }],
      expand: ["latest_invoice.payments"],
    });
    made.subscription = subscription.id;
    made.item = subscription.items.data[0].id;
    made.intent = subscription.latest_invoice.payments.data[0].payment.payment_intent;
    assert.equal(subscription.latest_invoice.status, "paid");
  },
  async "finds the period on the item"() {
    const subscription = await stripe.subscriptions.retrieve(made.subscription);
    assert.ok(subscription.items.data[0].current_period_end > now());
    assert.equal(subscription.current_period_end, undefined);
  },
  async "previews a change"() {
    made.date = now();
    const preview = await stripe.invoices.createPreview({
      subscription: made.subscription,
      subscription_details: {
        items: [{ id: made.item, price: made.large }],
        proration_behavior: "always_invoice",
        proration_date: made.date,
      },
    });
    made.total = preview.total;
    const prorated = preview.lines.data.map((line) => line.parent.subscription_item_details.proration);
    assert.deepEqual(prorated, [true, true]);
  },
  async "changes as previewed"() {
    const subscription = await stripe.subscriptions.update(made.subscription, {
      items: [{ id: made.item, price: made.large }],
      proration_behavior: "always_invoice",
      proration_date: made.date,
      expand: ["latest_invoice"],
    });
    assert.equal(subscription.latest_invoice.total, made.total);
  },
  async "resets the anchor"() {
    const before = now();
    const subscription = await stripe.subscriptions.update(made.subscription, {
      billing_cycle_anchor: { type: "now" },
      proration_behavior: "always_invoice",
    });
    assert.ok(subscription.billing_cycle_anchor >= before);
  },
  async "adds and removes an item by itself"() {
    const price = await stripe.prices.create({
      product: made.product, unit_amount: 300, currency: "usd", recurring: { interval: "month" },
    });
    const item = await stripe.subscriptionItems.create({ subscription: made.subscription, price: price.id });
    const gone = await stripe.subscriptionItems.del(item.id);
    assert.equal(gone.deleted, true);
  },
  async "refunds a part"() {
    const refund = await stripe.refunds.create({ payment_intent: made.intent, amount: 300 });
    assert.deepEqual([refund.status, refund.amount], ["succeeded", 300]);
  },
  async "reads the refunded charge"() {
    const intent = await stripe.paymentIntents.retrieve(made.intent, { expand: ["latest_charge"] });
    assert.equal(intent.latest_charge.amount_refunded, 300);
  },
  async "is told that too much is refunded"() {
    const error = await refused(stripe.refunds.create({ payment_intent: made.intent, amount: 100000 }));
    assert.deepEqual([error.type, error.param], ["StripeInvalidRequestError", "amount"]);
  },
  async "discounts by a promotion code"() {
    const coupon = await stripe.coupons.create({ percent_off: 10, duration: "forever" });
    const code = await stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id } });
    const subscription = await stripe.subscriptions.update(made.subscription, {
      discounts: [{ promotion_code: code.id }],
      expand: ["discounts"],
    });
    assert.equal(subscription.discounts[0].source.coupon, coupon.id);
  },
  async "taxes a preview"() {
    const rate = await stripe.taxRates.create({ display_name: "VAT", inclusive: false, percentage: 20 });
    const preview = await stripe.invoices.createPreview({
      customer: made.customer,
      subscription_details: { items: [{ price: made.small }], default_tax_rates: [rate.id] },
    });
    assert.deepEqual([preview.subtotal, preview.total], [1000, 1200]);
  },
  async "bills an invoice item"() {
    await stripe.invoiceItems.create({ customer: made.customer, amount: 700, currency: "usd" });
    const draft = await stripe.invoices.create({
      customer: made.customer,
      pending_invoice_items_behavior: "include",
    });
    const final = await stripe.invoices.finalizeInvoice(draft.id);
    const paid = await stripe.invoices.pay(final.id);
    made.invoice = paid.id;
    assert.equal(paid.status, "paid");
  },
  async "previews and makes a credit note"() {
    const given = { invoice: made.invoice, amount: 200, credit_amount: 200 };
    const preview = await stripe.creditNotes.preview(given);
    const note = await stripe.creditNotes.create(given);
    assert.equal(note.total, preview.total);
  },
  async "gives credit on the balance"() {
    const given = { amount: -500, currency: "usd" };
    const transaction = await stripe.customers.createBalanceTransaction(made.customer, given);
    const customer = await stripe.customers.retrieve(made.customer);
    assert.equal(customer.balance, transaction.ending_balance);
  },
  async "schedules a change"() {
    const schedule = await stripe.subscriptionSchedules.create({ from_subscription: made.subscription });
    const released = await stripe.subscriptionSchedules.release(schedule.id);
    assert.deepEqual([schedule.status, released.status], ["active", "released"]);
  },
  async "pages through a list by itself"() {
    const found = await stripe.invoices.list({ customer: made.customer, limit: 1 }).autoPagingToArray({ limit: 50 });
    assert.ok(found.length >= 3);
  },
  async "pages through a search by itself"() {
    const query = "metadata['from']:'node' AND email:'node@example.com'";
    const found = await stripe.customers.search({ query, limit: 1 }).autoPagingToArray({ limit: 50 });
    assert.ok(found.some((customer) => customer.id === made.customer));
  },
  async "keeps the idempotency key"() {
    const options = { idempotencyKey: `node-${made.customer}` };
    const first = await stripe.customers.create({ name: "Once" }, options);
    const second = await stripe.customers.create({ name: "Once" }, options);
    assert.equal(second.id, first.id);
    const error = await refused(stripe.customers.create({ name: "Twice" }, options));
    assert.equal(error.type, "StripeIdempotencyError");
  },
  async "is told that a card is declined"() {
    const error = await refused(stripe.paymentIntents.create({
      amount: 500,
      currency: "usd",
      payment_method: "pm_card_chargeDeclined",
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    }));
    assert.deepEqual([error.type, error.code, error.statusCode], ["StripeCardError", "card_declined", 402]);
  },
  async "is told of what there is not"() {
    const error = await refused(stripe.customers.retrieve("cus_none"));
    assert.deepEqual([error.code, error.statusCode, error.param], ["resource_missing", 404, "id"]);
  },
  async "is told of a parameter that there is not"() {
    const error = await refused(stripe.customers.create({ colour: "blue" }));
    assert.deepEqual([error.code, error.param], ["parameter_unknown", "colour"]);
  },
  async "reads its version and request id"() {
    const { lastResponse } = await stripe.customers.list({ limit: 1 });
    assert.equal(lastResponse.apiVersion, Stripe.API_VERSION ?? lastResponse.apiVersion);
    assert.match(lastResponse.requestId, /^req_/);
  },
  async "manages a webhook endpoint"() {
    const url = "http://127.0.0.1:9/none";
    const endpoint = await stripe.webhookEndpoints.create({ url, enabled_events: ["charge.failed"] });
    const disabled = await stripe.webhookEndpoints.update(endpoint.id, { disabled: true });
    const gone = await stripe.webhookEndpoints.del(endpoint.id);
    assert.deepEqual([typeof endpoint.secret, disabled.status, gone.deleted], ["string", "disabled", true]);
  },
  async "lists thin events"() {
    const events = await stripe.v2.core.events.list({ object_id: made.customer, limit: 100 });
    assert.ok(events.data.some((event) => event.type === "v1.customer.created"));
  },
  async "makes an event destination"() {
    const destination = await stripe.v2.core.eventDestinations.create({
      name: "Node",
      type: "webhook_endpoint",
      event_payload: "thin",
      enabled_events: ["v1.invoice.paid"],
      webhook_endpoint: { url: "http://127.0.0.1:9/none" },
      include: ["webhook_endpoint.url"],
    });
    assert.equal(destination.webhook_endpoint.url, "http://127.0.0.1:9/none");
    await stripe.v2.core.eventDestinations.del(destination.id);
  },
  async "advances a test clock"() {
    const clock = await stripe.testHelpers.testClocks.create({ frozen_time: now() });
    const customer = await stripe.customers.create({
      test_clock: clock.id,
      payment_method: "pm_card_visa",
      invoice_settings: { default_payment_method: "pm_card_visa" },
    });
    await stripe.subscriptions.create({ customer: customer.id, items: [{ price: made.small }] });
    await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: now() + 32 * 86400 });
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await stripe.testHelpers.testClocks.retrieve(clock.id)).status === "ready") break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const invoices = await stripe.invoices.list({ customer: customer.id });
    assert.equal(invoices.data.length, 2);
    await stripe.testHelpers.testClocks.del(clock.id);
  },
  async "opens the portal"() {
    const configuration = await stripe.billingPortal.configurations.create({
      features: { invoice_history: { enabled: true } },
    });
    const session = await stripe.billingPortal.sessions.create({
      customer: made.customer,
      configuration: configuration.id,
    });
    assert.match(session.url, /^http/);
  },
  async "ends at the period's end, and at once"() {
    const later = await stripe.subscriptions.update(made.subscription, { cancel_at_period_end: true });
    const ended = await stripe.subscriptions.cancel(made.subscription);
    assert.deepEqual([later.cancel_at_period_end, ended.status], [true, "canceled"]);
  },
  async "reads the events"() {
    const events = await stripe.events.list({ types: ["customer.subscription.deleted"], limit: 10 });
    assert.ok(events.data.some((event) => event.data.object.id === made.subscription));
  },
};

(async () => {
  for (const [name, run] of Object.entries(checks)) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${String(error.message).split("\n")[0].slice(0, 300)}`);
    }
  }
})();
