import { defineSimulation, type SourceMessage } from '@pipeline-host/sdk';
import { Random } from 'pipeline-host/testing';

const START = Date.parse('2026-01-05T10:00:00Z');

/** Rooms from a seed, some too hot, and now and then a thermometer that sends nonsense. */
export default defineSimulation({
  async start({ seed, messages: count = 1_000 }) {
    const random = new Random(seed);
    const hot = new Set<string>();
    let valid = 0;
    let broken = 0;
    function* messages(): Generator<SourceMessage> {
      for (let sent = 0; sent < count; sent++) {
        const room = `room ${random.between(1, 40)}`;
        const isBroken = random.next() < 0.01;
        const celsius = isBroken ? 'E42' : random.between(150, 285) / 10;
        if (isBroken) broken++;
        else valid++;
        if (typeof celsius === 'number' && celsius > 28) hot.add(room);
        yield { topic: 'readings', key: room, value: JSON.stringify({ room, celsius, at: new Date(START + sent * 1_000).toISOString() }) };
      }
    }
    return {
      config: {},
      messages,
      sums: async (results) => [
        { name: 'valid readings = rows', expected: valid, actual: (await results.rows('thermostat_readings', ['room'])).length },
        { name: 'rooms that were too hot = rows', expected: hot.size, actual: (await results.rows('thermostat_alarms', ['room'])).length },
        { name: 'nonsense = dead letters of both readers', expected: 2 * broken, actual: (await results.deadLetters()).length },
      ],
      stop: async () => {},
    };
  },
});
