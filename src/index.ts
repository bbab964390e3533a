export * from './util/random';
