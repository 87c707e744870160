// The story of an order and the event streams: said by a table and by a score, escaped, on a phone, without script.
import assert from 'node:assert/strict';
import { asCustomer, asOperator, open } from '../lib/browser.mjs';
import { accessible, noInjection, noOverflow, quiet } from '../lib/checks.mjs';

const EVIL = '<img src=x onerror=window.injected=1>';

/** An order of something with an evil name, one that was declined, and a note. */
async function orders(shop) {
  if (shop.told) return shop.told;
  const product = { productId: 'story', name: `${EVIL} viol`, description: 'For stories', category: [{ id: 'tests', name: 'Tests', path: 'tests' }], price: { amount: 1000, currency: 'EUR', discount: 0 }, attributes: [], tags: [], status: 'active', initialStock: 50 };
  assert.equal((await shop.api('POST', '/v1/products', product)).status, 201);
  const order = (key, token) => shop.api('POST', '/v1/orders', { userId: 1, items: [{ productId: 'story', quantity: 2 }], paymentMethod: { token } }, { 'idempotency-key': key });
  const placed = await order('story-1', 'tok_visa');
  assert.equal(placed.status, 201, JSON.stringify(placed.body));
  const note = { stream: 'note-evil', eventType: 'NoteTaken', eventData: { text: EVIL } };
  assert.equal((await shop.api('POST', '/v1/logs/order-service/events', note, { 'idempotency-key': 'story-2' })).status, 201);
  const id = placed.body.orderId;
  // The saga goes on after the answer: its last word is the mail.
  let story;
  do story = (await shop.api('GET', `/v1/orders/${id}/story`)).body;
  while (story.saga.state !== 'completed');
  shop.told = { id, saga: story.saga.sagaId, correlation: story.correlationId };
  return shop.told;
}

export async function the_story_of_an_order_is_a_score_and_a_table_that_says_all_of_it(chrome, shop) {
  const { id } = await orders(shop);
  const story = (await shop.api('GET', `/v1/orders/${id}/story`)).body;
  const page = await open(chrome, shop);
  await asOperator(page, shop, `/orders/${id}`);
  const rows = page.locator('#happened tbody tr:not(:has(th[scope=rowgroup]))');
  assert.ok(story.timeline.length > 10 && (await rows.count()) >= story.timeline.length);
  const lanes = await page.locator('.score .who .voice').allTextContents();
  assert.deepEqual(lanes.map((lane) => lane.trim()), ['catalog', 'order', 'payment', 'notification']);
  await page.locator('#happened', { hasText: EVIL }).waitFor();
  await noInjection(page, 'story');
  await page.setViewportSize({ width: 390, height: 800 });
  // On a phone the table is the only form.
  await page.locator('.score').waitFor({ state: 'hidden' });
  await noOverflow(page, 'story 390');
  quiet(page, 'story');
}

export async function a_customer_sees_no_streams_and_a_story_of_their_own_only(chrome, shop) {
  const { id } = await orders(shop);
  const page = await open(chrome, shop);
  await asCustomer(page, shop, '/orders');
  assert.equal(await page.locator('nav a', { hasText: 'Event streams' }).count(), 0);
  assert.equal((await page.goto(`${shop.url}/streams`)).status(), 403);
  assert.equal((await page.goto(`${shop.url}/orders/01a20584-0000-7000-8000-000000000000`)).status(), 404);
  const own = await page.goto(`${shop.url}/orders/${id}`);
  if (own.status() === 200) assert.equal(await page.locator('#happened a').count(), 0, 'streams are for operators');
  quiet(page, 'customer');
}

export async function the_event_streams_lead_from_log_to_stream_to_event_to_correlation(chrome, shop) {
  const { id, correlation } = await orders(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop, `/streams?stream=order-${id}`);
  assert.equal(await page.locator('main tbody tr').count(), 3);
  assert.match(await page.locator('main tbody tr').first().textContent(), /OrderStatusChanged/, 'newest first');
  await page.locator('main tbody tr').last().locator('td a').first().click();
  await page.waitForURL(/\/streams\/order-service\/\d+$/);
  assert.match(await page.locator('#event-data').textContent(), /"finalAmount"/);
  await page.locator('dl.kv a', { hasText: correlation }).click();
  // Texts are read at once, whatever page is there: the one that the click asked for must have come.
  await page.waitForURL(`${shop.url}/streams?correlation=${correlation}`);
  await page.locator('main tbody .voice').first().waitFor();
  const voices = await page.locator('main tbody .voice').allTextContents();
  assert.deepEqual([...new Set(voices.map((voice) => voice.trim()))].sort(), ['catalog', 'notification', 'order', 'payment']);
  await noOverflow(page, 'correlation');
  quiet(page, 'streams');
}

export async function an_event_is_shown_as_text_whatever_it_says(chrome, shop) {
  await orders(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop, '/streams?service=order-service&stream=note-evil');
  await page.locator('main tbody td a').first().click();
  await page.waitForURL(/\/streams\/order-service\/\d+$/);
  assert.ok((await page.locator('#event-data').textContent()).includes(EVIL));
  await noInjection(page, 'event');
  quiet(page, 'event');
}

export async function streams_and_stories_are_accessible_and_fit_everywhere(chrome, shop) {
  const { id, correlation } = await orders(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop);
  for (const path of [`/orders/${id}`, '/streams?service=catalog-service', '/streams?service=payment-service&before=2', `/streams?correlation=${correlation}`, '/streams/order-service/1', '/streams/order-service/999999']) {
    for (const theme of ['light', 'dark']) {
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(`${shop.url}${path}${path.includes('?') ? '&' : '?'}theme=${theme}`);
        await page.locator('main h1').waitFor();
        await noOverflow(page, `${path} ${theme} ${width}`);
        await accessible(page, `${path} ${theme} ${width}`);
        quiet(page, `${path} ${theme} ${width}`);
      }
    }
  }
}

export async function the_jump_box_finds_an_order_a_stream_and_a_correlation(chrome, shop) {
  const { id, correlation } = await orders(shop);
  const page = await open(chrome, shop);
  await asOperator(page, shop);
  for (const [typed, to] of [[id, `/orders/${id}`], [`order-${id}`, `/streams?stream=order-${id}`], [correlation, `/streams?correlation=${correlation}`]]) {
    await page.keyboard.press('/');
    await page.keyboard.type(typed);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${shop.url}${to}`);
  }
  quiet(page, 'jump');
}

export async function stories_and_streams_need_no_script(chrome, shop) {
  const { id } = await orders(shop);
  const page = await open(chrome, shop, { javaScriptEnabled: false });
  await asOperator(page, shop, `/orders/${id}`);
  assert.ok((await page.locator('#happened tbody tr').count()) > 10);
  await page.goto(`${shop.url}/streams`);
  await page.getByLabel('Stream').fill(`order-${id}`);
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.waitForURL((url) => url.searchParams.get('stream') === `order-${id}`);
  assert.equal(await page.locator('main tbody tr').count(), 3);
}
