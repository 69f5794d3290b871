import { Type } from '@pipeline-host/sdk';

/** `plugins.sample.config` */
export const Config = Type.Object({
  limit: Type.Integer({ default: 1_000, description: 'the largest count that an order may have' }),
});
