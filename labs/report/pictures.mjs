// node pictures.mjs REPORT.html ORDER_SERVICE FOLDER: the first screen of the order service's report, its flame graph, and
// the live dashboard after its decay was turned, as PNG.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {pathToFileURL} from 'node:url';
import {launch, newPage} from '../../tests/browser/browser.mjs';

const [report, orderService, folder] = process.argv.slice(2).map((file) => resolve(file));

async function picturesOfReport(page) {
  await page.goto(pathToFileURL(report).href);
  await page.waitForSelector('#order_service-rss svg');
  await page.screenshot({path: join(folder, 'first-screen.png')});
  const flame = page.locator('#order_service-flame');
  await flame.scrollIntoViewIfNeeded();
  await flame.locator('g.frame').first().waitFor();
  await page.waitForTimeout(1000);  // frames grow to their width
  await flame.screenshot({path: join(folder, 'flame.png')});
}

async function pictureOfDashboard(page) {
  const lab = spawn(orderService, ['serve', '--address', '127.0.0.1:0'], {stdio: ['ignore', 'pipe', 'inherit']});
  try {
    const lines = createInterface({input: lab.stdout});
    const [line] = await once(lines, 'line');
    lines.on('line', () => {});
    await page.goto(line.match(/http:\S+/)[0]);
    await page.setViewportSize({width: 1200, height: 1000});
    await page.locator('#window').selectOption('60');
    const decay = (ms) => page.locator('#knob-dirty_decay').getByRole('button', {name: ms, exact: true}).click();
    for (const ms of ['-1', '0', '10000']) {
      await page.waitForTimeout(18_000);  // of what is in the picture
      await decay(ms);
    }
    await page.waitForTimeout(5000);
    await page.screenshot({path: join(folder, 'live.png')});
  } finally {
    lab.kill('SIGINT');
  }
}

const browser = await launch();
const {page} = await newPage(browser, {viewport: {width: 1200, height: 740}});
await picturesOfReport(page);
await pictureOfDashboard(page);
await browser.close();
