export * from '../../dist/notebook';
