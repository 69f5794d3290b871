import type { Fault, PlannedUpgrade } from './schedule.ts';
import { startMember, type World } from './world.ts';

/** Lets it happen. Where there are two workers, each fault of a process meets one of them. */
export function strike(fault: Fault, world: World): void {
  const { network, workers, tell } = world;
  const { time } = network;
  const worker = workers[fault.at % workers.length] ?? workers[0];
  const running = worker.members.filter(({ state }) => state === 'running');
  switch (fault.kind) {
    case 'join':
      startMember(worker);
      return;
    case 'leave':
      void running[fault.member % Math.max(1, running.length)]?.stop();
      return;
    case 'crash':
      running[fault.member % Math.max(1, running.length)]?.kill(fault.noticedAfter);
      time.after(fault.backAfter, () => startMember(worker));
      return;
    case 'throw-out':
      running[fault.member % Math.max(1, running.length)]?.throwOut(fault.noticedAfter);
      return;
    case 'dependency-down':
      tell(() => `${fault.which === 'both' ? 'both APIs fail' : 'API b fails'} ${100 * fault.share} % of all calls for ${fault.lasts} ms`);
      for (const api of fault.which === 'both' ? (['a', 'b'] as const) : (['b'] as const))
        Object.assign(world.down[api], { until: Math.max(world.down[api].until, time.now + fault.lasts), share: fault.share });
      return;
    case 'commits-fail':
      tell(() => `commits fail for ${fault.lasts} ms`);
      network.commitsFailUntil = Math.max(network.commitsFailUntil, time.now + fault.lasts);
      return;
    case 'storage-down':
      tell(() => `the storage of the tables is away for ${fault.lasts} ms`);
      network.storageDownUntil = Math.max(network.storageDownUntil, time.now + fault.lasts);
      return;
    case 'slow':
      tell(() => `each ${fault.what} is slow for ${fault.lasts} ms`);
      network.slowUntil[fault.what] = Math.max(network.slowUntil[fault.what], time.now + fault.lasts);
      return;
    case 'broker-down':
      takeBrokerDown(fault.lasts, world);
      return;
  }
}

function takeBrokerDown(lasts: number, { network, workers, tell }: World): void {
  const { time, log, random } = network;
  tell(() => `no broker answers for ${lasts} ms`);
  log.isDown = true;
  for (const member of workers.flatMap(({ members }) => members))
    time.after(random.between(500, 4_000), () => {
      if (log.isDown) member.disconnect();
    });
  time.after(lasts, () => {
    log.isDown = false;
    tell(() => 'the brokers answer again');
    log.wakeReaders();
  });
}

/** Members that start from then on know the newer schema; those that run are replaced, one after the other. */
export function upgrade({ at, every, trial }: PlannedUpgrade, { network, workers, tell }: World): void {
  const { time } = network;
  if (trial !== null)
    time.after(trial.at, () => {
      tell(() => `a member with the upgraded plugin is tried out for ${trial.lasts} ms`);
      const tried = workers.map((worker) => startMember(worker, 2));
      time.after(trial.lasts, () => {
        for (const member of tried) void member.stop();
      });
    });
  time.after(at, () => {
    tell(() => 'the plugin is upgraded');
    for (const worker of workers) {
      worker.version = 2;
      for (const [nth, member] of worker.members.filter(({ state }) => state === 'running').entries())
        time.after(nth * every, () => {
          if (member.state !== 'running') return;
          startMember(worker);
          void member.stop();
        });
    }
  });
}
