import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldingLog } from '../../../host/src/kafka/client-log.ts';

const entry = (message: string, level = 1, extra: Record<string, unknown> = {}) => ({
  namespace: 'Runner',
  level,
  label: 'ERROR',
  log: { timestamp: '', message, ...extra } as never,
});

function recorder() {
  const lines: [string, string, unknown][] = [];
  const write = (level: string) => (message: string, details?: Readonly<Record<string, unknown>>) =>
    void lines.push([level, message, details?.['repeated']]);
  return { lines, log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') } };
}

test('what every rebalance says is debug, and a real complaint a warning', () => {
  const { lines, log } = recorder();
  const write = foldingLog(log)(1);
  write(entry('The group is rebalancing, re-joining'));
  write(entry('Something never seen'));
  write(entry('Consumer has joined the group', 4));
  assert.deepEqual(
    lines.map(([level]) => level),
    ['debug', 'warn', 'debug'],
  );
});

test('thirty identical lines become one, and the next after a while says how many there were', () => {
  const { lines, log } = recorder();
  let now = 0;
  const write = foldingLog(log, () => now)(1);
  for (let i = 0; i < 30; i++) write(entry('Response without match'));
  now = 11_000;
  write(entry('Response without match'));
  assert.deepEqual(lines, [
    ['warn', 'Response without match', undefined],
    ['warn', 'Response without match', 29],
  ]);
});
