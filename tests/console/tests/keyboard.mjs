// Everything by keyboard alone: log in, search, place an order, read its story.
import assert from 'node:assert/strict';
import { open } from '../lib/browser.mjs';
import { accessible, quiet } from '../lib/checks.mjs';

/** Presses Tab until the focus is on what `selector` names; fails where it is never reached. */
async function tabTo(page, selector) {
  for (let count = 0; count < 150; count += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) {
      const visible = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none');
      assert.ok(visible, `${selector}: the focus can be seen`);
      return;
    }
  }
  assert.fail(`${selector} cannot be reached by Tab on ${page.url()}`);
}

export async function an_order_is_placed_and_its_story_read_by_keyboard_alone(chrome, shop) {
  const page = await open(chrome, shop);
  await page.goto(`${shop.url}/login?next=%2Fshop`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  await tabTo(page, 'input[name=password]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/shop$/);

  await page.keyboard.press('/');
  await page.keyboard.type('candle');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=candle/);
  await tabTo(page, '.card button[type=submit]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/#p-/);
  await tabTo(page, '#place .lines input');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('3');
  await tabTo(page, '#place button.primary');
  await page.keyboard.press('Enter');
  await page.waitForURL(/placed=/);

  await page.getByText('Order confirmed.').waitFor();
  // Reading goes on at the answer.
  await page.waitForFunction(() => document.activeElement.id === 'answer');
  await accessible(page, 'the answer to an order');
  await tabTo(page, '#answer a');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/orders\/[0-9a-z-]+$/);
  await page.locator('main h1').waitFor();
  quiet(page, 'by keyboard');
}

export async function completion_follows_the_keyboard(chrome, shop) {
  const page = await open(chrome, shop);
  await page.route('**/v1/products/suggest?*', (route) => route.fulfill({ json: { items: [{ text: 'Music <b>stand</b>', count: 1 }, { text: 'Monteverdi: Book IV', count: 1 }] } }));
  await page.goto(`${shop.url}/shop`);
  await page.locator('#q').pressSequentially('mo');
  await page.locator('#suggestions [role=option]').nth(1).waitFor();
  await accessible(page, 'suggestions');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.locator('[aria-selected=true]').textContent(), 'Music <b>stand</b>1 product');
  await page.keyboard.press('ArrowUp');
  await page.locator('#q[aria-activedescendant=s1]').waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=Monteverdi/);
  quiet(page, 'completion');
}
