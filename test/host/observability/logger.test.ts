import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { PermanentError } from '@pipeline-host/sdk';
import fc from 'fast-check';
import { createLogger, type LoggerOptions } from '../../../host/src/observability/logger.ts';
import { registerSecret } from '../../../host/src/observability/redact.ts';

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', ...options, destination: { write: (line) => lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown> };
}

describe('the logger', () => {
  it('writes one JSON object a line with level, time and the context of its parents', () => {
    const { log, lines, last } = capture();
    log
      .child({ plugin: 'weather', worker: 'writer' })
      .child({ topic: 't', partition: 3, offset: 9_007_199_254_740_993n })
      .info({ rows: 2 }, 'flushed');
    assert.equal(lines.length, 1);
    const { time, ...rest } = last();
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(rest, {
      level: 'info',
      pid: process.pid,
      plugin: 'weather',
      worker: 'writer',
      topic: 't',
      partition: 3,
      offset: '9007199254740993',
      rows: 2,
      msg: 'flushed',
    });
  });

  it("keeps the host's context where a line brings a field of the same name, and never writes a name twice", () => {
    const { log, lines, last } = capture();
    log.child({ plugin: 'weather' }).warn({ plugin: 'other', level: 1, msg: 'x', time: 0 }, 'm');
    assert.equal(last()['plugin'], 'weather');
    assert.equal(last()['plugin_'], 'other');
    for (const name of ['plugin', 'level', 'msg', 'time']) assert.equal(lines[0]?.split(`"${name}":`).length, 2, name);
  });

  it('reduces an error to type, code, message, place, hint, cause and stack', () => {
    const { log, last } = capture();
    const http = Object.assign(new TypeError('fetch failed for https://h/p?sig=deadbeef'), {
      code: 'ECONNRESET',
      config: { headers: { 'x-custom': 'deadbeef' } },
      request: { body: 'deadbeef' },
      response: { data: 'deadbeef' },
    });
    log.error({ error: new PermanentError('PH_X_Y', 'no luck', { place: 'weather.writer', hint: 'try again', cause: http }) }, 'failed');
    const error = last()['error'] as Record<string, unknown>;
    assert.deepEqual(Object.keys(error), ['type', 'code', 'message', 'place', 'hint', 'cause', 'stack']);
    const cause = error['cause'] as Record<string, unknown>;
    assert.deepEqual(Object.keys(cause), ['type', 'code', 'message', 'stack']);
    assert.equal(cause['message'], 'fetch failed for https://h/p?<redacted>');
    assert.ok(!JSON.stringify(last()).includes('deadbeef'));
  });

  it('survives whatever it is given and keeps the line bounded', () => {
    const { log, lines } = capture();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const deep = Array.from({ length: 5_000 }).reduce<unknown>((inner) => ({ inner }), 'end');
    const causes = Array.from({ length: 5_000 }).reduce<unknown>((cause) => new Error('x', { cause }), null);
    const hostile = {
      get broken(): never {
        throw new Error('getter');
      },
    };
    const fields = {
      cycle,
      deep,
      causes,
      hostile,
      proxy: new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('proxy');
          },
        },
      ),
      big: 'x'.repeat(5_000_000),
      list: Array.from({ length: 100_000 }, () => 'x'.repeat(1_000)),
      bytes: Buffer.alloc(10),
      none: undefined,
      nan: Number.NaN,
      date: new Date(Number.NaN),
      symbol: Symbol('s'),
      fn: () => 1,
      map: new Map([[{}, 1]]),
      nullish: Object.create(null) as object,
    };
    log.info(fields, 'odd');
    log.info(hostile, 'odd');
    log.error({ error: Object.assign(new Error('x'), { message: 5, stack: 7, name: null }) }, 'odd');
    assert.equal(lines.length, 3);
    for (const line of lines) assert.ok(line.length < 700_000 && line.endsWith('}\n'), String(line.length));
    assert.equal((JSON.parse(lines[0] ?? '') as { bytes: string }).bytes, '<10 bytes>');
  });

  it('does not throw when its destination does', () => {
    const log = createLogger({
      level: 'info',
      destination: {
        write: () => {
          throw new Error('disk full');
        },
      },
    });
    log.info({}, 'lost');
  });

  it('writes nothing below its level', () => {
    const { log, lines } = capture({ level: 'warn' });
    log.info({}, 'no');
    log.debug({}, 'no');
    assert.equal(log.isDebug, false);
    assert.equal(lines.length, 0);
  });

  it('lets no control character of a field drive the terminal in the lines for people', () => {
    const { log, lines } = capture({ pretty: true });
    log
      .child({ plugin: 'p', worker: 'w' })
      .error(
        { name: 'a\u001b]0;owned\u0007\u009b2J', error: new PermanentError('PH_A_B', 'bad\u001b[2Jthing', { hint: 'mend' }) },
        'oh\rno',
      );
    const text = lines.join('');
    assert.match(text, /ERROR.* p\.w oh/);
    assert.match(text, /PH_A_B: bad/);
    assert.match(text, /→ mend/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
    assert.doesNotMatch(text.replaceAll(/\u001b\[\d\d?m/g, ''), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('has written every line when the process is killed right after', () => {
    const script = `import { createLogger } from './host/src/observability/logger.ts';
      const log = createLogger({ level: 'info' });
      for (let n = 0; n < 1000; n++) log.info({ n }, 'line');
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '-C', '@pipeline-host/source', '--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.equal(child.signal, 'SIGKILL');
    assert.equal(child.stdout, '');
    assert.equal(child.stderr.trim().split('\n').length, 1000);
  });
});

describe('a secret', () => {
  const secret = 'S3cr3t-\u00e4"\\/+=x9';
  const escaped = JSON.stringify(secret).slice(1, -1);
  /** Any text with the secret somewhere in it. */
  const textWith = (inner: string) => fc.tuple(fc.string(), fc.string()).map(([left, right]) => `${left}${inner}${right}`);
  /** A value that holds the leaf somewhere: nested in objects, lists, maps, sets, errors and their causes, as key or value. */
  const valueWith = (leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc
          .tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), tie('tree'))
          .map(([others, name, value]) => ({ ...others, [name]: value })),
        fc.tuple(fc.array(fc.jsonValue(), { maxLength: 3 }), tie('tree')).map(([others, value]) => [...others, value]),
        fc.tuple(fc.string(), tie('tree')).map(([name, value]) => new Map([[name, value]])),
        tie('tree').map((value) => new Set([value])),
        tie('tree').map((value) => new Error(typeof value === 'string' ? value : 'failed', { cause: value })),
        tie('tree').map((value) => new AggregateError([value], 'several')),
        tie('tree').map((value) => Object.assign(new Error('http'), { config: value, code: value, place: value, hint: value })),
        leaf.map((value) => new Map([[value, 1]])),
        leaf.map((value) => ({ [String(value)]: 1 })),
      ),
    })).tree;

  function assertAbsent(value: unknown, message: string, hidden: readonly string[]): void {
    for (const pretty of [false, true]) {
      const { log, lines } = capture({ pretty });
      log.child({ bound: value }).error({ value, error: value }, message);
      for (const text of hidden) assert.ok(!lines.join('').includes(text), lines.join(''));
    }
  }

  it('that was registered appears nowhere, wherever it stands', () => {
    const forget = registerSecret(secret);
    const leaf = fc.oneof(
      textWith(secret),
      textWith(escaped),
      textWith(encodeURIComponent(secret)),
      textWith(Buffer.from(secret).toString('base64')),
    );
    fc.assert(
      fc.property(valueWith(leaf), textWith(secret), (value, message) => {
        assertAbsent(value, message, [secret, escaped, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]);
      }),
      { numRuns: 400 },
    );
    forget();
  });

  it('that nobody registered appears nowhere in a URL, a header, a connection string or a field of a telling name', () => {
    const word = 'Zx81Qk77Lm';
    const text = fc.constantFrom(
      `https://h/p?sv=1&sig=${word}`,
      `https://u:${word}@h/p`,
      `Authorization: Bearer ${word}`,
      `Bearer ${word}`,
      `Endpoint=sb://h/;SharedAccessKey=${word}`,
      `AccountKey=${word};`,
      `{"password":"${word}"}`,
    );
    const spaced = fc.tuple(fc.lorem(), text, fc.lorem()).map((parts) => parts.join(' '));
    const named = fc
      .tuple(
        fc.constantFrom('password', 'apiKey', 'authorization', 'connection_string', 'clientSecret', 'X-Amz-Signature'),
        fc.constantFrom<unknown>(word, [word], { any: word }),
      )
      .map(([name, value]) => ({ [name]: value }));
    fc.assert(
      fc.property(valueWith(fc.oneof(spaced, named)), spaced, (value, message) => assertAbsent(value, message, [word])),
      { numRuns: 400 },
    );
  });

  it('in a raw header list or a name-value pair is hidden', () => {
    const { log, lines } = capture();
    log.info({ rawHeaders: ['Accept', '*/*', 'Authorization', 'Zx81Qk77Lm'], headers: [{ name: 'Cookie', value: 'Zx81Qk77Lm' }] }, 'm');
    assert.ok(!lines.join('').includes('Zx81Qk77Lm'));
    assert.ok(lines.join('').includes('*/*'));
  });
});
