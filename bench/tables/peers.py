#!/usr/bin/env python3
"""Fits one of SDV's synthesizers and draws from it, in a process of its own that may be ended.

    peers.py KIND TRAIN.csv OUT.csv COUNT        KIND is copula, tvae or ctgan
"""

import sys
import warnings

import catalogue

KINDS = {"copula": "GaussianCopulaSynthesizer", "tvae": "TVAESynthesizer",
         "ctgan": "CTGANSynthesizer"}


def main(kind, train, out, count):
    warnings.simplefilter("ignore")
    import pandas as pd
    import sdv.single_table
    from sdv.metadata import Metadata

    frame = catalogue.read_text(train)
    kinds = {name: catalogue.kind_of_text(frame[name]) for name in frame}
    for name in frame:
        if kinds[name] == "number":
            frame[name] = pd.to_numeric(frame[name])
    # All is said of the columns, so that none is taken for a name or an address and made up.
    columns = {name: {"number": {"sdtype": "numerical"}, "text": {"sdtype": "categorical"},
                      "date": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"}}[kinds[name]]
               for name in frame}
    metadata = Metadata.load_from_dict({"tables": {"table": {"columns": columns}}})
    synthesizer = getattr(sdv.single_table, KINDS[kind])(metadata)
    synthesizer.fit({"table": frame})
    synthesizer.sample(int(count))["table"].to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
