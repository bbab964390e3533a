/** The public face of the kit: what notebooks and scripts import from "mimicsr". */
export * as tf from '@tensorflow/tfjs-core';

export { startEngine, probeEngines, ENGINE_NAMES } from './engine/engines';
export type { EngineName, EngineReport, RunningEngine } from './engine/engines';

export { createNetwork, NETWORK_NAMES } from './networks/networks';
export type { NetworkName } from './networks/networks';
export { SrNetwork } from './networks/sr-network';
export { upscale } from './networks/upscale';
export type { UpscaleOptions } from './networks/upscale';
export { readWeights } from './weights/load';
export { readSafetensors, writeSafetensors } from './weights/safetensors';

export { train, openPairs, readRunConfig, runFiles } from './train/run';
export type { FinishedRun, RunOptions } from './train/run';
export { MODES, PROCESS_NAMES, recipe, trainingConfig } from './train/config';
export type { DataConfig, ProcessConfig, Recipe, TrainingConfig, TrainingSettings } from './train/config';
export { mimicConfig, mimicCorrected, mimicRecoloured, mimicThroughCamera } from './mimic/config';
export type { MimicConfig, MimicSettings } from './mimic/config';
export { alignmentRecords, alignmentTruth } from './experiments/alignment-truth';
export type { AlignmentTruth, AlignmentTruthOptions } from './experiments/alignment-truth';
export { alignmentPictures } from './mimic/alignment-overview';
export { alignPair } from './mimic/align-pair';
export type { AlignedPair, AlignOptions } from './mimic/align-pair';
export { measureAlignment } from './mimic/measure-alignment';
export type { LrMeasures, LrPicture, Truth } from './mimic/measure-alignment';
export { loadMimicModule } from './mimic/trained-module';
export type { TrainedModule } from './mimic/trained-module';
export { saveWeights } from './train/checkpoint';
export { loadNetwork } from './train/trained-network';
export { DivergedError } from './train/diverged';
export { bicubicUpscaler, evaluate, networkUpscaler, scores } from './train/evaluate';
export type { Evaluation, EvaluateOptions, Scores, Upscaler } from './train/evaluate';

export { cancelGrid, collectGrid, gridStatus, previewGrid, submitGrid } from './experiments/submission';
export type { CellStatus, SubmitOptions } from './experiments/submission';
export type { GridRequest } from './experiments/request';
export type { Table } from './experiments/table';
export { slurm } from './experiments/slurm';
export type {
  JobState,
  LaunchedTask,
  Launcher,
  LaunchOptions,
  Task,
  TaskResources,
} from './experiments/launcher';

export { FLOW_NAMES, loadFlowEstimator } from './flow/estimators';
export type { FlowEstimator } from './flow/estimator';

export { cameraPairs, filePhotos, scenePhotos, CAMERA_PRESET_NAMES } from './data/camera-pairs';
export type { CameraPresetName, PhotoSource } from './data/camera-pairs';
export { photograph } from './data/camera';
export type { CameraShot } from './data/camera';
export { CAMERA_PRESETS, drawCamera } from './data/camera-presets';
export type { CameraOptions, CameraSettings } from './data/camera-options';
export { datasetPairs, datasetPhotos, hasDataset } from './data/datasets';
export { filePairs, imageOf, pairFiles, pixelsOf } from './data/pairs';
export type { Pair, PairFiles, PairSet, Pixels } from './data/pairs';
export { acceptLicence, fetchData } from './data/fetch';
export type { FetchOptions, Placed } from './data/fetch';
export { importData } from './data/import';
export { findManifest, manifests } from './data/manifests';
export type { Manifest, SetManifest, WeightsManifest } from './data/manifests';
export { dataRoots, findDataset, folderOf } from './data/roots';
export { drawScene } from './data/scenes';
export { dataStatus, pathOf, verifyData } from './data/verify';
export type { DataStatus, Verification } from './data/verify';

export { heat } from './image/heat';
export { encodeImage, listImages, readImage, readImageSize, writeImage } from './image/file';
export type { Image } from './image/image';
export { blankImage, cropImage } from './image/image';
export { busiestSquare, montage } from './image/montage';
export { imresize } from './image/resize';

export { score } from './metrics/score';
export type { ImageSource, ScoreOptions, ScoreRow, ScoreTable } from './metrics/score';
export { METRIC_NAMES } from './metrics/metrics';
export type { MetricName } from './metrics/metrics';
export { colourError, endPointError, pixelError, reduction, shownMisalignment } from './metrics/alignment';
export type { PixelError } from './metrics/alignment';
export { meanCiede2000 } from './metrics/ciede2000';
export { niqe } from './metrics/niqe';
export { fitNiqeModel } from './metrics/niqe-fit';
export { readNiqeModel, writeNiqeModel } from './metrics/niqe-model';
export { nrqm } from './metrics/nrqm';
export { readNrqmModel, writeNrqmModel } from './metrics/nrqm-model';
export { perceptualIndex } from './metrics/pi';
export { psnr } from './metrics/psnr';
export { ssim } from './metrics/ssim';

export { InputError } from './util/errors';
export { Random } from './util/random';
export { silentProgress, textProgress } from './util/progress';
export type { Progress, ProgressFactory } from './util/progress';
