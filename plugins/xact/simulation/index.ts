/**
 * xact's world on one machine: a file server with the faults of real ones, and a stream of source events, both from one
 * seed.
 */
import { defineSimulation, type SourceMessage } from '@pipeline-host/sdk';
import { AttachmentServer } from './attachment-server.ts';
import { generateEvents } from './events.ts';
import { Expectations } from './sums.ts';

const DEFAULT_MESSAGES = 3_000;

export default defineSimulation({
  async start({ seed, messages: count = DEFAULT_MESSAGES, log }) {
    const server = await AttachmentServer.start();
    const expectations = new Expectations();
    const events = generateEvents(seed, `http://${server.host}`);
    log.info({ address: server.host }, 'simulated attachment server');

    function* send(limit: number): Generator<SourceMessage> {
      for (let sent = 0; sent < limit; sent++) {
        const event = events.next();
        if (event.done === true) return;
        // Before the message is out: a downloader may ask at once.
        expectations.add(event.value);
        for (const attachment of event.value.attachments) server.hold(attachment);
        yield event.value.message;
      }
    }

    return {
      config: {
        config: { allowedHosts: [server.host], schemes: ['http', 'https'], privateRanges: ['127.0.0.1/32'] },
        workers: {
          downloader: { retry: { delays: ['500ms', '1s', '2s'] } },
          uploader: { retry: { delays: ['500ms', '1s', '2s'] } },
          'event-writer': { flush: { age: '1s' } },
          'result-processor': { flush: { age: '1s' } },
        },
      },
      messages: () => send(count),
      stream: () => send(Number.POSITIVE_INFINITY),
      sums: (results) => expectations.check(results),
      stop: () => server[Symbol.asyncDispose](),
    };
  },
});
