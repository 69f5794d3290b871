import { FaultList, PipelineError } from '@pipeline-host/sdk';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { MAINTENANCE_WORKER, type ResolvedMaintenance, resolveMaintenance } from './resolve-maintenance.ts';
import type { ResolvedWorker, Topology } from './topology.ts';

/**
 * The workers that `--worker a,b` names, all of the topology where none is named, but for pollers, which this version does
 * not run. With several plugins a name may be
 * `plugin.worker`; a plain name means that worker of each plugin that has it.
 *
 * @throws FaultList `PH_WORKER_UNKNOWN`
 */
export function selectWorkers(topology: Topology, names: readonly string[]): readonly ResolvedWorker[] {
  if (names.length === 0) {
    const runnable = topology.workers.filter(({ consumes }) => consumes !== null);
    return runnable.length > 0 ? runnable : topology.workers;
  }
  const maintained = resolveMaintenance(topology);
  const isKnown = (name: string): boolean =>
    topology.workers.some((worker) => isCalled(worker, name)) || maintained.some((one) => isMaintenance(one, name));
  const unknown = names.filter((name) => !isKnown(name)).map((name) => unknownWorker(topology, name, maintained.length > 0));
  const [first, ...others] = unknown;
  if (first !== undefined) throw new FaultList([first, ...others]);
  return topology.workers.filter((worker) => names.some((name) => isCalled(worker, name)));
}

/** The maintenance that `--worker table-maintenance` names; where no worker is named, of all plugins, if `enabled`. */
export function selectMaintenance(topology: Topology, names: readonly string[], enabled: boolean): readonly ResolvedMaintenance[] {
  const maintained = resolveMaintenance(topology);
  if (names.length === 0) return enabled ? maintained : [];
  return maintained.filter((one) => names.some((name) => isMaintenance(one, name)));
}

/** Pollers that {@link selectWorkers} leaves out, for whoever named no worker. */
export function pollersLeftOut(topology: Topology, names: readonly string[]): readonly ResolvedWorker[] {
  return names.length > 0 ? [] : topology.workers.filter(({ consumes }) => consumes === null);
}

function isCalled({ name, id }: ResolvedWorker, asked: string): boolean {
  return name === asked || id === asked;
}

function isMaintenance({ id }: ResolvedMaintenance, asked: string): boolean {
  return asked === MAINTENANCE_WORKER || asked === id;
}

function unknownWorker({ workers, plugins }: Topology, name: string, maintained: boolean): PipelineError {
  const known = [...workers.map((worker) => worker.name), ...(maintained ? [MAINTENANCE_WORKER] : [])];
  const owner = plugins.length === 1 ? `plugin ${plugins[0]?.name} has` : 'the plugins have';
  return new PipelineError('PH_WORKER_UNKNOWN', `${owner} no worker "${name}", but ${list(known)}`, {
    place: `--worker ${name}`,
    hint: didYouMean(name.split('.').at(-1) ?? name, known, 'take one of those'),
  });
}
