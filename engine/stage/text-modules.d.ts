/** Files that the loader turns into strings (`resolve-imports.ts`), as far as the project imports any. */
declare module '*.md' {
  const text: string
  export default text
}
