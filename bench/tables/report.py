"""The results of all tables as text: a table, verdicts, and what was found wrong."""

import numpy as np

AUC_LIMIT, AUC_WORST, KS_LIMIT, KS_ROWS = 0.65, 0.75, 0.03, 5000
DIFFER = 0.01  # nats between evaluate and log-prob that are one too many


def differences(result):
    """Of each estimator: the tool's mean log density less its, over all rows of all splits, and the
    standard error of that; and the number of rows to which the tool gives no density."""
    ours = np.concatenate([cell["log_densities"] for cell in result["cells"]])
    finite = np.isfinite(ours)
    found = {}
    for name in result["baselines"][0]["log_densities"]:
        theirs = np.concatenate([one["log_densities"][name] for one in result["baselines"]])
        apart = ours[finite] - theirs[finite]
        found[name] = (theirs[finite].mean(), apart.mean(), apart.std(ddof=1) / np.sqrt(len(apart)))
    return ours[finite].mean(), found, int(np.sum(~finite))


def refusal(result):
    for cell in result["cells"]:
        if "refused" in cell:
            return cell["refused"]
    return result["judged"].get("refused")


def likelihood_fields(result):
    mean, found, lost = differences(result)
    best = max(found, key=lambda name: found[name][0])
    _, apart, error = found[best]
    return {"nats": f"{mean:.3f}", "best": best, "ahead": f"{apart:+.3f} ± {error:.3f}",
            "a": "yes" if apart >= -error and lost == 0 else "NO", "no density": str(lost)}


def sample_fields(result):
    judged = result["judged"]
    wrong = {what: sum(columns.values()) for what, columns in judged["impossible"].items()}
    fields = {"AUC": f"{judged['auc']:.3f} ± {judged['auc_error']:.3f}",
              "impossible": ", ".join(f"{count} {what}" for what, count in wrong.items()) or "0",
              "spike": f"{judged['spike']['distance']:.3f}"}
    if judged["zeros"]:
        name = max(judged["zeros"], key=lambda name: abs(np.subtract(*judged["zeros"][name])))
        fields["zeros"] = "{:.3f} of {:.3f}".format(*reversed(judged["zeros"][name]))
    worst = max(judged["marginals"].values())
    fields["KS"] = f"{worst:.3f}"
    return fields


def peer_text(found):
    if "refused" in found:
        return "none"
    return f"{found['auc']:.3f} ({found['seconds']:.0f} s)"


HEADER = ["table", "rows", "columns", "splits", "nats", "best", "ahead", "a", "no density", "AUC",
          "floor", "impossible", "spike", "zeros", "KS", "train s", "of processors"]


def row(result):
    fields = {"table": result["name"], "rows": str(result["rows"]),
              "columns": str(result["columns"]), "splits": str(result["splits"]),
              "floor": f"{result['floor'][0]:.3f}"}
    trained = [cell for cell in result["cells"] if "refused" not in cell]
    if trained:
        for name, key in (("train s", "train_seconds"),
                          ("of processors", "train_processor_seconds")):
            fields[name] = f"{sum(cell[key] for cell in trained):.0f}"
    if refusal(result):
        return fields | {"best": "refused"}
    return fields | likelihood_fields(result) | sample_fields(result)


def as_table(header, rows):
    lines = [header] + [[fields.get(name, "-") for name in header] for fields in rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return [" | ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
            for line in lines]


def peer_lines(measured):
    compared = [result for result in measured if result.get("peers")]
    if not compared:
        return []
    names = list(compared[0]["peers"])
    rows = []
    for result in compared:
        fields = {"table": result["name"], "floor": f"{result['floor'][0]:.3f}"}
        fields |= {name: peer_text(found) for name, found in result["peers"].items()}
        if not refusal(result):
            judged = result["judged"]
            seconds = judged["sample_seconds"] + sum(
                cell["train_seconds"] for cell in result["cells"])
            fields["thalweg"] = f"{judged['auc']:.3f} ({seconds:.0f} s)"
        rows.append(fields)
    return (["", "AUC beside SDV's synthesizers, with the seconds of fitting and drawing", ""]
            + as_table(["table", "floor", "thalweg"] + names, rows))


def verdicts(measured):
    """The acceptance's sentences, each with what it counts."""
    done = [result for result in measured if not refusal(result)]
    refused = len(measured) - len(done)
    if not done:
        return [f"refused: {refused}"]
    worse = [result["name"] for result in done if likelihood_fields(result)["a"] == "NO"]
    areas = {result["name"]: result["judged"]["auc"] for result in done}
    below = sum(area < AUC_LIMIT for area in areas.values())
    above = [name for name, area in areas.items() if area > AUC_WORST]
    impossible = [result["name"] for result in done if result["judged"]["impossible"]]
    large = [result for result in done if result["rows"] >= KS_ROWS]
    far = [result["name"] for result in large
           if max(result["judged"]["marginals"].values()) >= KS_LIMIT]

    def named(names):
        return f": {', '.join(names)}" if names else ""
    return [
        f"tables measured: {len(done)}, refused: {refused}",
        f"(a) worse than the best simple estimator by more than a standard error, or rows without a"
        f" density: {len(worse)}{named(worse)}",
        f"(b) AUC below {AUC_LIMIT}: {below} of {len(areas)}; above {AUC_WORST}:"
        f" {len(above)}{named(above)}",
        f"(c) values that cannot be in 100 000 samples: {len(impossible)} tables"
        f"{named(impossible)}",
        f"(d) a marginal distance of {KS_LIMIT} or more: {len(far)} of {len(large)} tables of at"
        f" least {KS_ROWS} rows{named(far)}"]


def details(result):
    """What was wrong with one table, a line each."""
    lines = [f"{name}: {found['refused']}" for name, found in result.get("peers", {}).items()
             if "refused" in found]
    if refusal(result):
        return lines + [f"refused: {refusal(result)}"]
    judged = result["judged"]
    for what, columns in judged["impossible"].items():
        lines.append(f"{what}: " + ", ".join(f"{name} {count}" for name, count in columns.items()))
    spike = judged["spike"]
    if spike["distance"] >= 0.02:
        lines.append(f"spike: {spike['column']} = {spike['value']:g} has {spike['data']:.3f} of the"
                     f" rows and {spike['samples']:.3f} of the samples")
    far = {name: distance for name, distance in judged["marginals"].items() if distance >= KS_LIMIT}
    if far and result["rows"] >= KS_ROWS:
        lines.append("marginals: " + ", ".join(f"{name} {d:.3f}" for name, d in far.items()))
    cell = result["cells"][0]
    logs = np.array(cell["log_densities"])
    mean = logs.mean() if np.all(np.isfinite(logs)) else None
    if mean is not None and abs(cell["evaluate"] - mean) > DIFFER:
        lines.append(f"evaluate says {cell['evaluate']:.3f} of rows whose mean by log-prob is"
                     f" {mean:.3f}")
    lines.append("by all: " + ", ".join(
        f"{name} {apart:+.3f} ± {error:.3f}"
        for name, (_, apart, error) in differences(result)[1].items()))
    return lines + sorted({note for cell in result["cells"][:1] for note in cell["notes"]})


def of(results, tool_hash, seconds):
    measured = [result for result in results if "unavailable" not in result]
    lines = [f"Tables, by the tool of hash {tool_hash}. nats: mean log likelihood of held-out rows;"
             " ahead: of the best of a Gaussian,",
             "mixtures of 1 to 20 and a kernel estimate, with the standard error of the difference;"
             " floor: AUC of a bootstrap of training rows;",
             "spike: largest difference of the share of a value; zeros: share in samples and in"
             " data; train s: of all splits, on the clock\nand of the processors.", ""]
    lines += as_table(HEADER, [row(result) for result in measured])
    lines += peer_lines(measured)
    if measured:
        lines += [""] + verdicts(measured)
    lines += [f"not to be had: {result['name']}: {result['unavailable']}"
              for result in results if "unavailable" in result]
    for result in measured:
        lines += ["", f"{result['name']} ({result['wall_seconds']:.0f} s in this call)"]
        lines += [f"  {line}" for line in details(result)]
    return "\n".join(lines + ["", f"{seconds:.0f} s in this call", ""])
