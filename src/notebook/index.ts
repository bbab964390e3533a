/** What a notebook imports from "mimicsr/notebook": everything that shows. The rest of the kit is "mimicsr". */
export { parameters, setup } from './setup';
export { DISPLAY, interruptSignal, LiveOutput, show, text } from './kernel';
export type { Bundle, Displayable } from './kernel';

export { figure, Figure } from './figure';
export type { FigureData } from './plotly';
export { barChart, costCurve, lineChart, sweepCurve, tableBars, trainingCurve } from './charts';
export type { CurvePoint, Line } from './charts';

export { compare, errorMaps, Picture } from './picture';
export type { CompareOptions, ErrorMapOptions } from './picture';

export { frame, overSeeds, pivot, rowsOf, scoreFrame, writeCsv } from './frame';
export type { Frame, Row, Value } from './frame';

export { reproduce, showTable, tableCrops, tableFrame, trainedRuns } from './tables';
export type { ReproduceOptions, TableCropOptions, TrainedRun } from './tables';
export { ablate, sweep } from './sweeps';
export type { SweepParameter, Switches } from './sweeps';
export { liveTraining } from './live';
export type { LiveTrainingOptions } from './live';
export { engineSpeeds } from './engine-speed';
export type { EngineSpeedOptions } from './engine-speed';
