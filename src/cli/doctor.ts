import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { Command } from 'commander';
import { manifests } from '../data/manifests';
import { dataRoots } from '../data/roots';
import { pathOf } from '../data/verify';
import { probeEngines, startEngine } from '../engine/engines';
import { networkMacs } from '../networks/macs';
import { createNetwork, NETWORK_NAMES, NETWORKS } from '../networks/networks';
import { versions } from '../util/versions';
import { print, printJson, table } from './output';

/** `mimicsr doctor`: what runs here, and what is missing with the reason. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Show engines (with the reason where one is missing), datasets found and versions.')
    .option(
      '--networks',
      "instead: parameters and multiply-accumulates of the paper's networks (starts an engine)",
    )
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExample:\n  mimicsr doctor --json')
    .action(async ({ json = false, networks = false }: { json?: boolean; networks?: boolean }) => {
      if (networks) {
        await reportNetworks(json);
        return;
      }
      const engines = await probeEngines();
      const sets = manifests().filter((manifest) => manifest.kind === 'dataset');
      const report = {
        versions: versions(),
        machine: { cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30) },
        engines,
        chosen: engines.find((e) => e.available)?.name,
        dataRoots: dataRoots().map((path) => ({ path, exists: existsSync(path) })),
        datasets: sets.map((set) => ({ name: set.name, folder: pathOf(set) ?? null })),
      };
      if (json) {
        printJson(report);
        return;
      }
      const v = report.versions;
      print(`mimicsr ${v.mimicsr} (commit ${v.commit}), Node ${v.node}, ${v.platform}`);
      print(`${report.machine.cores} cores, ${report.machine.memoryGiB} GiB of memory\n`);
      const mark = (e: (typeof engines)[number]): string =>
        e.name === report.chosen ? 'chosen' : e.available ? 'found' : 'missing';
      print(
        table(
          ['engine', 'state', 'detail'],
          engines.map((e) => [e.name, mark(e), e.detail]),
        ),
      );
      print('');
      print(
        `data roots: ${report.dataRoots.map((r) => `${r.path}${r.exists ? '' : ' (missing)'}`).join(', ')}`,
      );
      print(
        table(
          ['data set', 'folder'],
          report.datasets.map((d) => [d.name, d.folder ?? 'not found']),
        ),
      );
    });
}

/** LR side for which multiply-accumulates are given. */
const MACS_SIDE = 32;

async function reportNetworks(json: boolean): Promise<void> {
  const engine = await startEngine();
  const rows = NETWORK_NAMES.map((name) => {
    const network = createNetwork(name).initialise(0);
    const row = {
      network: name,
      preset: NETWORKS[name].paper,
      parameters: network.parameterCount(),
      macs: networkMacs(network, MACS_SIDE, MACS_SIDE),
    };
    network.dispose();
    return row;
  });
  if (json) {
    printJson({ lr: [MACS_SIDE, MACS_SIDE], engine, networks: rows });
    return;
  }
  const cells = rows.map((r) => [
    r.network,
    r.preset,
    r.parameters.toLocaleString('en'),
    r.macs.toLocaleString('en'),
  ]);
  print(table(['network', 'preset', 'parameters', `MACs for ${MACS_SIDE}x${MACS_SIDE}`], cells));
}
