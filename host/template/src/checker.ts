import { dead, defineWorker, done, output, skip } from '@pipeline-host/sdk';
import { Config } from './config.ts';
import { accepted, orders } from './topics.ts';

/** Lets good orders pass. */
export const checker = defineWorker({
  consumes: orders,
  produces: [accepted],
  config: Config,
  handle: (order, { config }) => {
    if (order.count === 0) return skip('nothing ordered');
    if (order.count < 0 || order.count > config.limit) {
      return dead('SAMPLE_COUNT', `${order.count} is not from 1 to ${config.limit}`);
    }
    return done([output(accepted, order)]);
  },
});
