import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Static } from '@sinclair/typebox';
import type { DispositionView, ListedView, PageView, WholeView } from '../../host/src/admin/dead-letter-view.ts';
import type { Problem } from '../../host/src/admin/problem.ts';
import type { HostProcess } from './host-process.ts';

export const TOKEN = 'correct-horse-battery';
export const ACTOR = 'night shift';

/** Section `http` of a config with an admin token, which stands in a file of its own. */
export function adminSettings(): { readonly http: object } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'admin-token-'));
  const file = join(folder, 'token');
  writeFileSync(file, `${TOKEN}\n`);
  return {
    http: { admin: { token: `\${file:${file}}`, name: ACTOR } },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type Listed = Static<typeof ListedView>;
export type Changed = { readonly id: string; readonly disposition: Static<typeof DispositionView> };

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The admin API as an operator calls it. */
export class AdminClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async ask<Body>(path: string, init: RequestInit = {}): Promise<Answer<Body>> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...init.headers };
    const response = await fetch(`${this.#url}/admin/v1${path}`, { ...init, headers });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Body };
  }

  async list(query: Readonly<Record<string, string>> = {}): Promise<Static<typeof PageView>> {
    const { status, body } = await this.ask<Static<typeof PageView>>(`/dead-letters?${new URLSearchParams(query).toString()}`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body;
  }

  /** All pages. */
  async listAll(query: Readonly<Record<string, string>> = {}): Promise<readonly Listed[]> {
    const items: Listed[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.list({ ...query, ...(cursor !== null && { cursor }) });
      items.push(...page.items);
      ({ cursor } = page);
    } while (cursor !== null);
    return items;
  }

  async show(id: string): Promise<Static<typeof WholeView>> {
    const { status, body } = await this.ask<Static<typeof WholeView>>(`/dead-letters/${encodeURIComponent(id)}`);
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body;
  }

  change(id: string, action: 'replay' | 'discard', body?: object): Promise<Answer<Changed & Problem>> {
    return this.ask(`/dead-letters/${encodeURIComponent(id)}/${action}`, {
      method: 'POST',
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  }
}

/** Where a host in a process of its own says that it listens. */
export function urlOf(host: HostProcess): string {
  const url = /^http\s+(\S+)/m.exec(host.output())?.[1];
  if (url === undefined) throw new Error(`no address in ${host.output()}`);
  return url;
}
