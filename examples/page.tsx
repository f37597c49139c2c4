// The demo's input: a page about the libraries that make it. It is modern on purpose: types, an enum, private fields,
// generators, async iteration, destructuring, `?.` and `??`, so that little of it survives the way to ES5.
import type { ReactNode } from "react";

export interface Library {
  name: string;
  version: string;
  bytes: number;
  license?: { name: string } | null;
}

enum Unit {
  KB = 1_000,
  MB = 1_000_000,
}

class Size {
  static readonly #units = [["MB", Unit.MB], ["KB", Unit.KB]] as const;
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  toString(): string {
    const [name, size] = Size.#units.find(([, size]) => this.#bytes >= size) ?? ["B", 1];
    return `${(this.#bytes / size).toFixed(1)} ${name}`;
  }
}

function* ranked(libraries: readonly Library[]): Generator<Library & { rank: number }> {
  let rank = 0;
  for (const library of [...libraries].sort((a, b) => b.bytes - a.bytes)) {
    yield { ...library, rank: ++rank };
  }
}

async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

/** The size of all libraries together, the asynchronous way. */
export async function total(libraries: readonly Library[]): Promise<string> {
  let bytes = 0;
  for await (const { bytes: more } of stream(libraries)) bytes += more;
  return new Size(bytes).toString();
}

const Row = ({ rank, name, version, bytes, license }: Library & { rank: number }) => (
  <tr>
    <td>{rank}</td>
    <td>{name}</td>
    <td>{version}</td>
    <td>{license?.name ?? "unknown"}</td>
    <td>{new Size(bytes).toString()}</td>
  </tr>
);

export function Page({ title, libraries, sum }: { title: string; libraries: Library[]; sum: string }): ReactNode {
  return (
    <main>
      <h1>{title}</h1>
      <table>
        <tbody>
          {Array.from(ranked(libraries), (library) => <Row key={library.name} {...library} />)}
        </tbody>
      </table>
      <p>{`${libraries.length} libraries, ${sum}`}</p>
    </main>
  );
}
