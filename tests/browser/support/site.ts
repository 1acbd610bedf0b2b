// The static server of the tests: the package, the chat page, the test page, and models.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type ServerOptions, startServer, type StaticServer } from '../../../www/tools/serve.mjs';

export const ROOT = process.cwd();
export const TINY = join(ROOT, 'tests/data/tiny');

/** Every tiny model in tests/data, by file name. */
export function tinyModels(): Record<string, string> {
  const files = readdirSync(TINY).filter((name) => name.endsWith('.gguf'));
  if (files.length === 0) throw new Error(`no models in ${TINY}`);
  return Object.fromEntries(files.map((name) => [name, join(TINY, name)]));
}

/** The path of the real Gemma 3 270M; undefined if `GEMMA_WEB_MODEL` is not set. */
export function realModel(): string | undefined {
  const file = process.env['GEMMA_WEB_MODEL'] || undefined;
  if (file !== undefined && !existsSync(file)) throw new Error(`GEMMA_WEB_MODEL: there is no file ${file}`);
  return file;
}

/** The output of the command `gemma`, as `cargo test` has built it. */
export async function native(args: readonly string[]): Promise<string> {
  const command = join(process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'), 'debug/gemma');
  if (!existsSync(command)) throw new Error(`there is no ${command}: cargo build`);
  return (await promisify(execFile)(command, args, { maxBuffer: 1 << 26 })).stdout;
}

/** `headers` are sent with every file. */
export async function startSite(
  models: Record<string, string>,
  intercept?: ServerOptions['intercept'],
  headers?: Record<string, string>,
): Promise<StaticServer> {
  return startServer({
    mounts: {
      '/': join(ROOT, 'dist/site'),
      '/gemma-web/': join(ROOT, 'dist/gemma-web'),
      '/test/': join(ROOT, 'tests/browser/page'),
    },
    models,
    ...(intercept ? { intercept } : {}),
    ...(headers ? { headers } : {}),
  });
}

/** The address of a model on a site. */
export function modelUrl(site: StaticServer, file: string): string {
  return `${site.url}/models/${encodeURIComponent(basename(file))}`;
}
