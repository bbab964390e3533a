export * from '../../dist';
