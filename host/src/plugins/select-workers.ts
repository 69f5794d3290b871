import { FaultList, PipelineError } from '@pipeline-host/sdk';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import type { ResolvedWorker, Topology } from './topology.ts';

/**
 * The workers that `--worker a,b` names, all of the topology where none is named. With several plugins a name may be
 * `plugin.worker`; a plain name means that worker of each plugin that has it.
 *
 * @throws FaultList `PH_WORKER_UNKNOWN`
 */
export function selectWorkers(topology: Topology, names: readonly string[]): readonly ResolvedWorker[] {
  if (names.length === 0) return topology.workers;
  const unknown = names.filter((name) => !topology.workers.some((worker) => isCalled(worker, name)));
  const [first, ...others] = unknown.map((name) => unknownWorker(topology, name));
  if (first !== undefined) throw new FaultList([first, ...others]);
  return topology.workers.filter((worker) => names.some((name) => isCalled(worker, name)));
}

function isCalled({ name, id }: ResolvedWorker, asked: string): boolean {
  return name === asked || id === asked;
}

function unknownWorker({ workers, plugins }: Topology, name: string): PipelineError {
  const known = workers.map((worker) => worker.name);
  const owner = plugins.length === 1 ? `plugin ${plugins[0]?.name} has` : 'the plugins have';
  return new PipelineError('PH_WORKER_UNKNOWN', `${owner} no worker "${name}", but ${list(known)}`, {
    place: `--worker ${name}`,
    hint: didYouMean(name.split('.').at(-1) ?? name, known, 'take one of those'),
  });
}
