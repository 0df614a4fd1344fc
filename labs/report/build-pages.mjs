// node build-pages.mjs WORK OUTPUT SOURCE…: each SOURCE/NAME.html becomes OUTPUT/NAME.html, with its script NAME.js and
// all that this imports, styles too, in it. Packages are taken from WORK/node_modules.
import {readFileSync, readdirSync, renameSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const [work, output, ...sources] = process.argv.slice(2);
const esbuild = createRequire(join(work, 'package.json'))('esbuild');

// The script and the styles that it imports.
function bundled(source, entry) {
  const files = esbuild.buildSync({
    absWorkingDir: source,
    entryPoints: [join(source, entry)],
    bundle: true,
    minify: true,
    write: false,
    outdir: output,
    format: 'iife',
    target: ['chrome100', 'firefox100', 'safari15'],
    nodePaths: [join(work, 'node_modules')],
    logLevel: 'warning',
  }).outputFiles;
  return (extension) => files.find((file) => file.path.endsWith(extension))?.text ?? '';
}

const pages = sources.flatMap((source) => readdirSync(source).filter((file) => file.endsWith('.html')).map((file) => [source, file]));
for (const [source, file] of pages) {
  const name = file.slice(0, -'.html'.length);
  const parts = bundled(source, `${name}.js`);
  const page = readFileSync(join(source, file), 'utf8')
    .replace('@STYLE@', () => parts('.css'))
    .replace('@SCRIPT@', () => parts('.js'));
  writeFileSync(join(output, `${file}.part`), page);
  renameSync(join(output, `${file}.part`), join(output, file));
}
