// MLS and SFrame from one WebAssembly module:
//
//     import { Client, Identity, Module, SUITES, generateSignatureKey, nobleAead, nobleCurves } from 'conclave-e2ee';
//     const module = await Module.load(await (await fetch(url)).arrayBuffer(), { aead: nobleAead, curves: nobleCurves });
//
// The interfaces are those of src/e2ee/mls.h and src/e2ee/frame.h. Works in pages, workers and Node.
export { Module, MlsError, type ModuleOptions } from './module';
export type { Aead, Curves } from './host';
export { nobleCurves } from './noble';
export { nobleAead } from './noble_aead';
export * from './mls';
export * from './frames';
