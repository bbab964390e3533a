import { describe, expect, it } from 'vitest';
import { GRID_NAMES } from '../../src/experiments/grid';
import { grid, LAMBDAS } from '../../src/experiments/grids';
import { profile, PROFILE_NAMES } from '../../src/experiments/profiles';
import { firstSeeds, planGrid, runLabels } from '../../src/experiments/plan';
import type { NetworkName } from '../../src/networks/networks';
import { InputError } from '../../src/util/errors';

const smoke = profile('smoke');

describe('Grids', () => {
  it("have the paper's rows, four networks and seven processes, Synthetic Data beside them, and our own", () => {
    const table2 = grid('table2', smoke);
    expect(table2.rows.map((row) => row.method).slice(0, 10)).toEqual([
      'bicubic',
      'Synthetic Data',
      'L1',
      'Alignment Loss',
      'CXLoss',
      'CoBi Loss',
      'Auxiliary Input',
      'Pseudo GT',
      'Ours',
      'Ours, corrected',
    ]);
    expect(table2.rows).toHaveLength(1 + 4 * 12);
    expect(grid('table3', smoke).rows[1].method).toBe('Synthetic Data');
    expect(grid('lambda', smoke).rows).toHaveLength(LAMBDAS.length);
  });

  it.each(GRID_NAMES.flatMap((name) => PROFILE_NAMES.map((p) => [name, p] as const)))(
    '%s of %s is legal: every configuration passes, every training has one identity',
    (name, profileName) => {
      const asked = grid(name, profile(profileName));
      const ids = asked.rows.flatMap((row) =>
        Object.values(row.experiments)
          .flat()
          .map(({ id }) => id),
      );
      expect(ids.length).toBeGreaterThan(0);
      expect(new Set(ids).size).toBe(ids.length);
    },
  );

  it('share the runs that they have in common', () => {
    const seemore = { networks: ['seemore'] } as const;
    const ids = (name: string): string[] => planGrid(grid(name, smoke, seemore)).map(({ id }) => id);
    const [one, three, ablations] = [ids('table1'), ids('table3'), ids('ablations')];
    // Table 3 has two trainings a row, one of which is Table 1's; L1 is not in it.
    expect(three.filter((id) => one.includes(id))).toHaveLength(1 + 11);
    expect(ablations.filter((id) => one.includes(id)).length).toBe(6); // bicubic, L1, four of ours
  });

  it('train each process with each size of the misalignment', () => {
    const { rows, sweep } = grid('misalignment', smoke, { methods: ['l1', 'mimic'], misalignments: [0, 2] });
    expect(rows.map(({ method }) => method)).toEqual(['L1, 0 px', 'L1, 2 px', 'Ours, 0 px', 'Ours, 2 px']);
    expect(sweep).toMatchObject({ values: [0, 2], series: ['L1', 'Ours'] });
    const [{ id, config }] = rows[3].experiments['simulated camera'];
    expect(id).toMatch(/^seemore-mimic-srraw-like-2px-s1-/);
    expect(config.data).toMatchObject({ preset: 'srraw-like', misalignment: 2 });
    expect(() => grid('misalignment', smoke, { misalignments: [-1] })).toThrow(/'data.misalignment'/);
  });

  it('train on real pairs as they are, and misaligned further', () => {
    const { rows, columns } = grid('real', smoke, { networks: ['seemore'], methods: ['l1'] });
    expect([...new Set(columns.map(({ trainedOn }) => trainedOn))]).toEqual(Object.keys(rows[1].experiments));
    const [asTheyAre, misaligned] = Object.values(rows[1].experiments).map(([run]) => run);
    expect(asTheyAre.id).toMatch(/^seemore-l1-DRealSR-x4-crops-s1-/);
    expect(misaligned.id).toMatch(/^seemore-l1-DRealSR-x4-crops-srraw-like-s1-/);
    expect(misaligned.config.data).toEqual({ ...asTheyAre.config.data, misaligned: 'srraw-like' });
  });

  it('a plan completes the first seed before it begins the second', () => {
    const plan = planGrid(grid('lambda', smoke, { seeds: [5, 6] }));
    expect(plan.map(({ experiment }) => experiment!.config.recipe.seed)).toEqual([
      5, 5, 5, 5, 5, 6, 6, 6, 6, 6,
    ]);
  });

  it('names runs by what tells them apart', () => {
    const names = (networks: NetworkName[]): string[] => {
      const runs = firstSeeds(
        planGrid(grid('table1', profile('mini'), { networks, methods: ['l1', 'cx'], seeds: [1, 2] })),
      ).filter(({ experiment }) => experiment !== undefined);
      return runs.map(runLabels(runs));
    };
    expect(names(['seemore'])).toEqual(['L1', 'CXLoss']);
    expect(names(['rrdbnet', 'seemore'])).toEqual([
      'RRDBNet L1',
      'RRDBNet CXLoss',
      'SeeMoRe L1',
      'SeeMoRe CXLoss',
    ]);
  });

  it('other settings are another experiment; how often it is saved is not', () => {
    const of = (options: Parameters<typeof grid>[2], change = {}): string =>
      planGrid(grid('lambda', { ...smoke, recipe: { ...smoke.recipe, ...change } }, options))[0].id;
    expect(of({})).toBe(of({}, { checkpointEvery: 1000, logEvery: 7 }));
    expect(of({})).not.toBe(of({ iterations: 3 }));
    expect(of({})).not.toBe(of({}, { batch: 3 }));
  });

  it('names the nearest where one does not exist', () => {
    expect(() => grid('tabel1', smoke)).toThrow(/unknown table or figure 'tabel1'.*did you mean 'table1'/);
    expect(() => profile('mimi')).toThrow(/did you mean 'mini'/);
  });

  it.each([
    ['table1', { seeds: [1, 2, 1] }, 'seed 1 is'],
    ['table1', { networks: ['swinir', 'swinir'] }, 'network swinir is'],
    ['table1', { methods: ['l1', 'mimic', 'l1'] }, 'process l1 is'],
    ['lambda', { lambdas: [0, 0.1, 0.1] }, 'lambda 0.1 is'],
    ['misalignment', { misalignments: [2, 2] }, 'misalignment 2 is'],
  ] as const)(
    'refuse what is named twice: one result would count as two: %s %o',
    (name, options, message) => {
      expect(() => grid(name, smoke, options)).toThrow(`${message} named twice`);
      expect(() => grid(name, smoke, options)).toThrow(InputError);
    },
  );

  it('says what stands in for the real sets', () => {
    expect(grid('table1', smoke).notes.join('\n')).toMatch(
      /SR-RAW: not the real set, but a stand-in: simulated camera/,
    );
    expect(grid('table1', profile('paper')).notes.join('\n')).not.toMatch(/stand-in/);
  });
});
