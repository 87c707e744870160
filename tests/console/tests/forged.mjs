// Forms from elsewhere, and forms without their token, do nothing.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { asCustomer, open } from '../lib/browser.mjs';

/** A request with headers that no browser would let a page set. */
function raw(shop, { method = 'GET', path, headers = {}, body = '' }) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: shop.port, method, path, headers: { 'content-length': Buffer.byteLength(body), ...headers } }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const orders = async (shop) => (await shop.api('GET', '/v1/orders?limit=200')).body.items.length;

export async function forged_orders_are_refused(chrome, shop) {
  const page = await open(chrome, shop);
  await asCustomer(page, shop, '/shop?q=candle');
  await page.getByRole('button', { name: /^Add: Concert candle/ }).click();
  await page.locator('#place .lines input').waitFor();
  const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  const form = await page.evaluate(() => new URLSearchParams(new FormData(document.querySelector('#place'))).toString());
  const before = await orders(shop);
  const type = 'application/x-www-form-urlencoded';
  const send = (headers, body = form) => raw(shop, { method: 'POST', path: '/shop/order', headers: { cookie, host: `127.0.0.1:${shop.port}`, 'content-type': type, ...headers }, body });
  const own = { origin: shop.origin };
  const refused = [
    ['a forged origin', send({ origin: 'http://evil.example' })],
    ['an origin that hides', send({ origin: 'null' })],
    ['another port', send({ origin: 'http://127.0.0.1:1' })],
    ['another site by Sec-Fetch-Site', send({ ...own, 'sec-fetch-site': 'cross-site' })],
    ['no origin at all', send({})],
    ['no token', send(own, form.replace(/csrf=[0-9a-f]+/, ''))],
    ['a wrong token', send(own, form.replace(/csrf=[0-9a-f]+/, `csrf=${'0'.repeat(64)}`))],
    ['a rebound name', send({ origin: 'http://evil.example', host: 'evil.example' })],
    ['no session', send({ ...own, cookie: '' })],
  ];
  for (const [what, answer] of refused) {
    const { status, text } = await answer;
    assert.equal(status, 403, what);
    assert.match(text, /Nothing was done/, what);
  }
  assert.equal((await send(own, form).then(({ status }) => status)), 303, 'the same form from its own page is taken');
  assert.equal((await send(own, form).then(({ status }) => status)), 303, 'and once more');
  assert.equal(await orders(shop), before + 1, 'and is one order');
}

export async function a_forged_log_in_is_refused_and_a_rebound_name_sees_nothing(chrome, shop) {
  const body = 'login=clara&password=sing-along-2026';
  const headers = { host: `127.0.0.1:${shop.port}`, 'content-type': 'application/x-www-form-urlencoded', origin: shop.origin };
  const answer = await raw(shop, { method: 'POST', path: '/login', headers, body });
  assert.equal(answer.status, 403);
  assert.equal(answer.headers['set-cookie'], undefined);
  assert.equal((await raw(shop, { path: '/', headers: { host: 'evil.example' } })).status, 403);
  assert.equal((await raw(shop, { path: '/', headers: { host: `localhost:${shop.port}` } })).status, 200);
}

export async function the_session_cookie_is_out_of_reach_of_scripts(chrome, shop) {
  const page = await open(chrome, shop);
  await asCustomer(page, shop);
  const [cookie] = (await page.context().cookies()).filter(({ name }) => name === 'madrigal_session');
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
  assert.equal(await page.evaluate(() => document.cookie), '');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByText('You are logged out.').waitFor();
  assert.deepEqual((await page.context().cookies()).filter(({ name }) => name === 'madrigal_session'), []);
}
