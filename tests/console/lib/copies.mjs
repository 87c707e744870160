// Copies that are damaged behind the shop's back, and what the monitor says of them.
import assert from 'node:assert/strict';

/** The report of one pair, freshly checked by content. */
export async function checked(shop, pair) {
  const answer = await shop.api('POST', '/v1/consistency/checks', { pair, deep: true });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return (await report(shop)).find((check) => check.name === pair);
}

/** What is said of all pairs. */
export async function report(shop) {
  return (await shop.api('GET', '/v1/consistency/report')).body.checks;
}

/** Changes an order's row in the order views, and has the monitor find it. */
export async function damaged(shop, order) {
  // The view has the row a moment after the order was placed.
  let planted = { status: 404 };
  while (planted.status === 404) planted = await shop.api('POST', '/v1/consistency/damage', { copy: 'orders.view', key: order, damage: 'change' });
  assert.equal(planted.status, 200, JSON.stringify(planted.body));
  let row;
  while (!row) row = (await checked(shop, 'orders.view')).inconsistencies.find((one) => one.key === order);
  return row;
}

/** Places an order. */
export async function ordered(shop, key) {
  const body = { userId: 1, items: [{ productId: 'candle', quantity: 1 }], shippingAddress: {}, paymentMethod: { token: 'tok_visa' } };
  const placed = await shop.api('POST', '/v1/orders', body, { 'idempotency-key': `${key}-${performance.now()}` });
  assert.equal(placed.status, 201, JSON.stringify(placed.body));
  return placed.body.orderId;
}
