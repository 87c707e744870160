// What holds for every page.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Nothing went wrong on this page so far. */
export function quiet(page, what) {
  assert.deepEqual(page.troubles, [], `${what}: nothing leaves the machine and nothing breaks`);
}

/** The page is not wider than its window. */
export async function noOverflow(page, what) {
  const over = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll('main *, .bar *')].filter((el) => el.getBoundingClientRect().right > width + 1 && !el.closest('.scroll, pre'));
    return wide.slice(0, 5).map((el) => `${el.tagName.toLowerCase()}.${el.className} ${el.textContent.trim().slice(0, 40)}`).concat(`${document.documentElement.scrollWidth} > ${width}`);
  });
  assert.deepEqual(over, [], `${what}: no horizontal overflow`);
}

/** axe finds nothing. */
export async function accessible(page, what) {
  // Injected by the browser's own channel: the pages' policy forbids foreign scripts, and axe must not need an exception.
  const session = await page.context().newCDPSession(page);
  const { readFileSync } = await import('node:fs');
  await session.send('Runtime.evaluate', { expression: readFileSync(AXE, 'utf8') });
  const found = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { runOnly: ${JSON.stringify(TAGS)} }).then((result) => JSON.stringify(result.violations.map((one) => one.id + ': ' + one.nodes.slice(0, 4).map((node) => node.html.slice(0, 140) + ' [' + (node.any[0]?.message ?? node.failureSummary ?? '').slice(0, 160) + ']').join(' | '))))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  assert.ok(!found.exceptionDetails, JSON.stringify(found.exceptionDetails));
  assert.deepEqual(JSON.parse(found.result.value), [], `${what}: axe finds nothing`);
}

/** Text is text: no element came out of a name. */
export async function noInjection(page, what) {
  const count = await page.evaluate(() => document.querySelectorAll('img, [onerror], iframe').length + (window.injected ? 1 : 0));
  assert.equal(count, 0, `${what}: names are shown as text`);
}
