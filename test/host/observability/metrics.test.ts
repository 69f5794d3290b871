import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { register } from 'prom-client';
import type { HostStatus, UnitStatus } from '../../../host/src/engine/status.ts';
import { createMetrics, type HostMetrics } from '../../../host/src/observability/metrics.ts';

const unit = (changes: Partial<UnitStatus>): UnitStatus => ({
  id: 'weather.writer',
  plugin: 'weather',
  worker: 'writer',
  state: { kind: 'working' },
  counts: { received: 10, done: 5, skipped: 1, retried: 2, dead: 1 },
  open: 1,
  delayed: 2,
  lag: 7,
  oldestOpen: 1500,
  partitions: 3,
  balance: null,
  exactResume: null,
  alerts: [],
  held: [],
  postponed: 0,
  ...changes,
});
const status = (...units: UnitStatus[]): HostStatus => ({ startedAt: '2026-01-05T14:22:07Z', version: '1.2.3', clusters: [], units });

async function lines(metrics: HostMetrics, name: string): Promise<string[]> {
  const { body } = await metrics.render();
  return body.split('\n').filter((line) => line.startsWith(name));
}

describe('host metrics', () => {
  it('read counts, lag and states from the status at each scrape and sum the members of a worker', async () => {
    const metrics = createMetrics();
    let current = status(
      unit({}),
      unit({ id: 'weather.writer#2', lag: null, counts: { received: 1, done: 1, skipped: 0, retried: 0, dead: 0 } }),
    );
    metrics.bindStatus(() => current);
    assert.deepEqual(await lines(metrics, 'pipeline_host_records_total'), [
      'pipeline_host_records_total{plugin="weather",worker="writer",outcome="done"} 6',
      'pipeline_host_records_total{plugin="weather",worker="writer",outcome="skipped"} 1',
      'pipeline_host_records_total{plugin="weather",worker="writer",outcome="retried"} 2',
      'pipeline_host_records_total{plugin="weather",worker="writer",outcome="dead"} 1',
    ]);
    assert.deepEqual(await lines(metrics, 'pipeline_host_lag_records'), ['pipeline_host_lag_records{plugin="weather",worker="writer"} 7']);
    assert.equal((await lines(metrics, 'pipeline_host_unit_state')).filter((line) => line.endsWith(' 1')).length, 2);
    current = status(unit({ state: { kind: 'paused', reason: 'broker down', code: 'PH_X' }, lag: null }));
    assert.deepEqual(await lines(metrics, 'pipeline_host_lag_records'), []);
    assert.deepEqual(
      (await lines(metrics, 'pipeline_host_unit_state')).filter((line) => line.endsWith(' 1')),
      ['pipeline_host_unit_state{plugin="weather",worker="writer",unit="weather.writer",state="paused"} 1'],
    );
  });

  it('tell how many records wait for a dependency, here and in delay lanes', async () => {
    const metrics = createMetrics();
    const held = { dependency: 'api.example', code: 'PH_HTTP_SERVER_ERROR', reason: '503', since: '2026-01-05T14:22:07Z' };
    metrics.bindStatus(() => status(unit({ held: [{ ...held, records: 3, behind: 2, postponed: 4, nextProbe: null }], postponed: 9 })));
    assert.deepEqual(await lines(metrics, 'pipeline_host_held_records'), [
      'pipeline_host_held_records{plugin="weather",worker="writer",unit="weather.writer",dependency="api.example"} 5',
    ]);
    assert.deepEqual(await lines(metrics, 'pipeline_host_postponed_records_total'), [
      'pipeline_host_postponed_records_total{plugin="weather",worker="writer"} 9',
    ]);
  });

  it('answer a scrape even where the status cannot be read, and count that', async () => {
    const metrics = createMetrics();
    metrics.bindStatus(() => {
      throw new Error('not yet');
    });
    metrics.bindProducers(() => {
      throw new Error('closed');
    });
    assert.deepEqual(await lines(metrics, 'pipeline_host_records_total'), []);
    assert.deepEqual(await lines(metrics, 'pipeline_host_status_errors_total'), ['pipeline_host_status_errors_total 2']);
    assert.ok((await lines(metrics, 'process_cpu_seconds_total')).length > 0);
  });

  it('put durations into cumulative buckets', async () => {
    const metrics = createMetrics();
    const worker = metrics.forWorker('weather', 'writer');
    for (const seconds of [0.00001, 0.2, 0.2, 1e6, Number.NaN]) worker.handled(seconds);
    const found = await lines(metrics, 'pipeline_host_handler_seconds');
    const value = (suffix: string) =>
      found
        .find((line) => line.includes(suffix))
        ?.split(' ')
        .at(-1);
    assert.equal(value('le="0.0001"'), '1');
    assert.equal(value('le="0.25"'), '3');
    assert.equal(value('le="300"'), '3');
    assert.equal(value('le="+Inf"'), '4');
    assert.equal(value('_count'), '4');
    assert.equal(value('_sum'), '1000000.40001');
  });

  it('use no global registry, so that several hosts fit into one process', async () => {
    createMetrics().forPlugin('weather').count('readings');
    createMetrics().forPlugin('weather').count('readings');
    assert.equal(register.getMetricsAsArray().length, 0);
  });

  it('explain each metric with its unit', async () => {
    const { body } = await createMetrics().render();
    for (const [, name, help] of body.matchAll(/^# HELP (pipeline_host_\S+) ?(.*)$/gm)) {
      assert.ok((help ?? '').endsWith('.') && (help ?? '').length > 10, name);
      for (const word of ['seconds', 'bytes']) if (name?.includes(word)) assert.match(help ?? '', new RegExp(word, 'i'), name);
    }
  });
});

describe("a plugin's own metrics", () => {
  it('carry its name and count by label', async () => {
    const metrics = createMetrics();
    const own = metrics.forPlugin('my-weather');
    own.count('readings.total', { station: 'north' });
    own.count('readings.total', { station: 'north' }, 2.5);
    own.observe('size_bytes', 2048);
    assert.deepEqual(await lines(metrics, 'my_weather_readings_total'), ['my_weather_readings_total{station="north"} 3.5']);
    assert.ok((await lines(metrics, 'my_weather_size_bytes_bucket{le="4096"')).includes('my_weather_size_bytes_bucket{le="4096"} 1'));
  });

  it('count label combinations beyond a hundred as other', async () => {
    const metrics = createMetrics();
    const own = metrics.forPlugin('weather');
    for (let station = 0; station < 1_000; station += 1) own.count('readings', { station: String(station) });
    own.count('readings', { station: '5' });
    const found = await lines(metrics, 'weather_readings{');
    assert.equal(found.length, 101);
    assert.ok(found.includes('weather_readings{station="other"} 900'));
    assert.ok(found.includes('weather_readings{station="5"} 2'));
  });

  it('hide secrets in labels and cut long ones', async () => {
    const metrics = createMetrics();
    metrics.forPlugin('weather').count('calls', { url: 'https://h/p?sig=deadbeef', text: 'x'.repeat(5_000) });
    const [found] = await lines(metrics, 'weather_calls{');
    assert.match(found ?? '', /url="https:\/\/h\/p\?<redacted>"/);
    assert.ok((found?.length ?? 0) < 250);
  });

  it('never throw and never touch the metrics of the host: what cannot be counted is counted as dropped', async () => {
    const metrics = createMetrics();
    const own = metrics.forPlugin('pipeline_host');
    own.count('records_total');
    own.count('handler_seconds_count');
    own.count('x', {}, -1);
    own.count('x', {}, Number.NaN);
    own.observe('x', Number.POSITIVE_INFINITY);
    metrics.forPlugin('9').count('x');
    metrics.forPlugin('weather').observe('y', 1);
    metrics.forPlugin('weather').count('y');
    metrics.forPlugin('weather').count('y_count');
    const dropped = await lines(metrics, 'pipeline_host_metric_values_dropped_total{');
    assert.deepEqual(dropped.sort(), [
      'pipeline_host_metric_values_dropped_total{plugin="9"} 1',
      'pipeline_host_metric_values_dropped_total{plugin="pipeline_host"} 5',
      'pipeline_host_metric_values_dropped_total{plugin="weather"} 2',
    ]);
  });

  it('keep the label names of the first call', async () => {
    const metrics = createMetrics();
    const own = metrics.forPlugin('weather');
    own.count('z', { a: '1', le: '2', __b: '3' });
    own.count('z', { c: '4' });
    assert.deepEqual(await lines(metrics, 'weather_z{'), [
      'weather_z{a="1",label_le="2",label___b="3"} 1',
      'weather_z{a="",label_le="",label___b=""} 1',
    ]);
  });
});
