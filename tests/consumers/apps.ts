// The consumers as fresh projects in a temporary folder, each with the packed tarball installed into it.

import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const ROOT = process.cwd();
const HERE = join(ROOT, 'tests/consumers');

/** The policy of a page that loads everything from its own origin. Workers take it from their own response. */
const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; object-src 'self'; img-src 'self' data:";

/** A consumer that is a page. */
export interface App {
  readonly name: string;
  /** The folder that is served. */
  readonly served: string;
  readonly policy: string;
  /** The build command: a program of node_modules/.bin or a script, with its arguments. */
  readonly build?: readonly string[];
}

/** The app that shows the adapters. npm's `ai` brings zod, which tries to evaluate text, and Firefox reports that. */
export const ADAPTERS: App = {
  name: 'adapters',
  served: 'dist',
  policy: STRICT.replace('wasm-unsafe-eval', 'unsafe-eval'),
  build: ['vite', 'build', '--logLevel', 'warn'],
};

/** Apps that show that the package works wherever it is put. */
export const APPS: readonly App[] = [
  { name: 'vite', served: 'dist', policy: STRICT, build: ['vite', 'build', '--logLevel', 'warn'] },
  { name: 'webpack', served: 'dist', policy: STRICT, build: ['node', 'build.mjs'] },
  { name: 'esbuild', served: 'dist', policy: STRICT, build: ['node', 'build.mjs'] },
  // An import map is an inline script.
  { name: 'plain', served: '.', policy: STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'") },
  // The policy of Chromium for pages of an extension.
  { name: 'extension', served: '.', policy: "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'" },
];

const run = promisify(execFile);

/** Runs a program in a folder. If it fails, its output is in the error. */
export async function runIn(folder: string, [program = '', ...rest]: readonly string[]): Promise<string> {
  const path = program === 'node' ? process.execPath : program === 'npm' ? 'npm' : join(HERE, 'node_modules/.bin', program);
  try {
    return (await run(path, rest, { cwd: folder, maxBuffer: 1 << 24 })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[program, ...rest].join(' ')} failed in ${folder}\n${stdout}${stderr}`);
  }
}

/** The one tarball of `./build.sh package`. */
function tarball(): string {
  const found = readdirSync(join(ROOT, 'dist')).filter((name) => /^gemma-web-.*\.tgz$/.test(name));
  if (found.length !== 1) throw new Error(`${found.length} tarballs in dist, expected one: ./build.sh package makes it`);
  return join(ROOT, 'dist', found[0] ?? '');
}

/** Makes a project of each folder, in a temporary folder that has the tools above them. */
export async function makeProjects(names: readonly string[]): Promise<{ folder: (name: string) => string; remove: () => void }> {
  if (!existsSync(join(HERE, 'node_modules'))) throw new Error(`${HERE} has no node_modules: npm ci makes it`);
  const packed = tarball();
  const root = mkdtempSync(join(tmpdir(), 'gemma-web-consumers-'));
  symlinkSync(join(HERE, 'node_modules'), join(root, 'node_modules'));
  const folder = (name: string): string => join(root, name);
  for (const name of names) {
    mkdirSync(folder(name));
    for (const file of ['golden.js', 'page.js', 'index.html']) cpSync(join(HERE, file), join(folder(name), file));
    // Vite needs nothing but what all have; git keeps no empty folder.
    if (existsSync(join(HERE, name))) cpSync(join(HERE, name), folder(name), { recursive: true });
    writeFileSync(join(folder(name), 'package.json'), JSON.stringify({ name: `consumer-${name}`, private: true, type: 'module' }));
    await runIn(folder(name), ['npm', 'install', '--no-save', '--no-package-lock', '--ignore-scripts', '--offline', packed]);
  }
  return { folder, remove: () => rmSync(root, { recursive: true }) };
}

/** Builds an app; pages without a build step need none. */
export async function buildApp(app: App, folder: string): Promise<void> {
  if (!app.build) return;
  await runIn(folder, app.build);
  const page = join(folder, app.served, 'index.html');
  if (!existsSync(page)) cpSync(join(folder, 'index.html'), page);
}
