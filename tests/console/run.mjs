// The console's tests. Usage: node run.mjs BINARY [WORDS OF A TEST'S NAME]
import { browser } from './lib/browser.mjs';
import { Shop } from './lib/shop.mjs';
import * as pages from './tests/pages.mjs';
import * as keyboard from './tests/keyboard.mjs';
import * as without from './tests/without-script.mjs';
import * as forged from './tests/forged.mjs';
import * as live from './tests/live.mjs';
import * as story from './tests/story.mjs';
import * as verbs from './tests/verbs.mjs';
import * as copies from './tests/copies.mjs';
import * as sync from './tests/sync.mjs';
import * as analytics from './tests/analytics.mjs';
import * as users from './tests/users.mjs';

const [binary, ...words] = process.argv.slice(2);
if (!binary) throw new Error('usage: node run.mjs BINARY [WORDS]');
const all = (...files) => files.flatMap((file) => Object.entries(file)).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
// Tests of one line share a shop. Those of copies judge the whole shop, in which a saga that others abandoned would stay a difference.
const groups = [all(pages, keyboard, without, forged, verbs, sync, analytics, users, story, live), all(copies)].filter((tests) => tests.length > 0);

const chrome = await browser();
let failed = 0;
for (const tests of groups) {
  const shop = await Shop.start(binary);
  try {
    for (const [name, test] of tests) {
      const began = performance.now();
      try {
        await test(chrome, shop);
        console.log(`ok      ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}\n${error.stack}`);
      }
      await Promise.all(chrome.contexts().map((context) => context.close()));
    }
  } finally {
    await shop.end();
  }
}
await chrome.close();
const chosen = groups.flat();
console.log(`${chosen.length - failed} of ${chosen.length} tests of the console hold`);
process.exit(failed > 0 || chosen.length === 0 ? 1 : 0);
