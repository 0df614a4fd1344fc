// node pictures.mjs REPORT.html FOLDER: the first screen of the order service's report, and its flame graph, as PNG.
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const {chromium} = createRequire(join(process.env.NODE_MODULES, 'x'))('playwright-core');
const [report, folder] = process.argv.slice(2).map((file) => resolve(file));

const browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox']});
const page = await browser.newPage({viewport: {width: 1200, height: 740}});
page.setDefaultTimeout(120_000);
await page.goto(pathToFileURL(report).href);
await page.waitForSelector('#order_service-rss svg');
await page.screenshot({path: join(folder, 'first-screen.png')});
const flame = page.locator('#order_service-flame');
await flame.scrollIntoViewIfNeeded();
await flame.locator('g.frame').first().waitFor();
await page.waitForTimeout(1000);  // frames grow to their width
await flame.screenshot({path: join(folder, 'flame.png')});
await browser.close();
