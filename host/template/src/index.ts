import { definePlugin } from '@pipeline-host/sdk';
import { checker } from './checker.ts';
import { Config } from './config.ts';
import { accepted, orders } from './topics.ts';
import { orderTable, writer } from './writer.ts';

export default definePlugin({
  name: 'sample',
  config: Config,
  topics: [orders, accepted],
  tables: [orderTable],
  workers: { checker, writer },
});
