import { type Table, tableFromIPC } from "@uwdata/flechette";
import type { Cells } from "../model/protocol";
import { ProtocolError } from "./checks";

/** Decodes binary frames: record batches of Arrow IPC whose schema came once, in the runtime_config. */
export class FrameDecoder {
  readonly #schema: Uint8Array;

  /** `schema` is an encapsulated schema message in base64, `fields` the columns that it has to have. */
  constructor(
    schema: string,
    readonly fields: readonly string[],
    readonly cellsPerBin: number,
  ) {
    this.#schema = bytesOf(schema);
  }

  /** Return the columns of a frame of `bins` bins; ProtocolError where it is no such frame. */
  decode(frame: ArrayBuffer, bins: number): Cells {
    const table = this.#table(frame);
    const rows = bins * this.cellsPerBin;
    if (table.numRows !== rows) {
      throw new ProtocolError(`a frame of ${bins} bins should have ${rows} rows, not ${table.numRows}`);
    }
    return new Map(this.fields.map((name) => [name, columnOf(table, name, rows)]));
  }

  #table(frame: ArrayBuffer): Table {
    try {
      return tableFromIPC([this.#schema, new Uint8Array(frame)]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ProtocolError(`a frame of ${frame.byteLength} bytes should be an Arrow record batch: ${reason}`);
    }
  }
}

function columnOf(table: Table, name: string, rows: number): ArrayLike<number> {
  const column = table.getChild(name);
  if (!column) throw new ProtocolError(`a frame should have the column ${name}`);
  const values = column.toArray() as ArrayLike<number>;
  if (values.length !== rows || typeof values[0] !== "number") {
    throw new ProtocolError(`the column ${name} of a frame should have ${rows} numbers, not ${values.length}`);
  }
  return values;
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    throw new ProtocolError("runtime_config.schema should be base64");
  }
}
