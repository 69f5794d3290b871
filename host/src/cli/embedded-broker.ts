import type { OpenEmbedded } from '../engine/clusters.ts';

/** Starts or finds the embedded broker of a data folder. The engine gets it from here, since it does not know the broker. */
export const openEmbedded: OpenEmbedded = async (settings) => {
  const { openEmbeddedBroker } = await import('../embedded/index.ts');
  return openEmbeddedBroker(settings);
};
