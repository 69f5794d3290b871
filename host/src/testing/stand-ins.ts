import type { SimulatedService } from './simulation/service.ts';

/**
 * Simulated services by the origin that they stand in for: `{ 'https://api.example.com': api }`. What may be asked is judged by
 * the URL that the plugin asks for; only then the stand-in gets the request.
 */
export type StandIns = Readonly<Record<string, Pick<SimulatedService, 'url'>>>;

export function standInOrigins(given: StandIns = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries(given).map(([origin, { url }]) => [new URL(origin).origin, url]));
}
