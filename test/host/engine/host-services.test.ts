import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { definePlugin } from '@pipeline-host/sdk';
import type { HostConfig } from '../../../host/src/config/host-config.ts';
import { openHostServices } from '../../../host/src/engine/host-services.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { createMetrics } from '../../../host/src/observability/metrics.ts';
import type { LoadedPlugin } from '../../../host/src/plugins/topology.ts';

describe("a host's services", () => {
  it('are all closed, whatever a plugin does when its own are', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'ph-services-'));
    const closed: string[] = [];
    const config = { dataDir, storage: { stagedFor: '8d' }, delta: {} } as unknown as HostConfig;
    const metrics = createMetrics();
    try {
      const services = await openHostServices(config, createLogger({ level: 'silent' as never }), metrics, { closeTimeout: 50 });
      const definition = definePlugin({
        name: 'p',
        workers: {},
        services: {
          first: () => ({ close: () => void closed.push('first') }),
          failing: () => ({
            close: () => {
              closed.push('failing');
              throw new Error('cannot');
            },
          }),
          hanging: () => ({
            close: () => {
              closed.push('hanging');
              return new Promise(() => {});
            },
          }),
        },
      });
      await services.forPlugin({ name: 'p', definition, config: {} } as unknown as LoadedPlugin);
      const engine = await services.delta();
      await services.close();
      assert.deepEqual(closed, ['hanging', 'failing', 'first']);
      await assert.rejects(
        engine.withConnection(async () => {}),
        { code: 'PH_DELTA_CLOSED' },
      );
    } finally {
      metrics.close();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
