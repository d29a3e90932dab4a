/** @file Branded identities: strings that must not be mistaken for one another. */

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Lower-case hex sha256 of a file's bytes or of a folder's tree listing. */
export type ContentHash = Branded<'ContentHash'>
/** Lower-case hex sha256 of a canonical key preimage. */
export type CacheKey = Branded<'CacheKey'>
/** Name of a node in a workflow file. */
export type NodeId = Branded<'NodeId'>
/** Time-ordered name of one run, used as a folder name. */
export type RunId = Branded<'RunId'>

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }
