import { defineTopic, Id, Timestamp, Type } from '@pipeline-host/sdk';

const Order = Type.Object({ id: Id(), item: Id(), count: Type.Integer(), at: Timestamp() });

/** What comes in, as `sample.orders`. */
export const orders = defineTopic('orders', Order, { key: (order) => order.id });

/** Orders that passed the checks. */
export const accepted = defineTopic('accepted', Order, { key: (order) => order.id });
