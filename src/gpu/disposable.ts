/**
 * Declares `Symbol.dispose` and `Symbol.asyncDispose` for projects whose TypeScript library has no `ESNext.Disposable` (target
 * ES2022), so that our types compile there. Where the library has them, the declarations merge.
 */
declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

export {};
