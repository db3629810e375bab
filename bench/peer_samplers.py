"""One run of pocoMC or dynesty on an energy of the bank; prints one JSON line. Seconds count from
after the imports. Started by bench/samplers.py."""

import argparse
import json
import time
import warnings

import numpy as np

import peer_energies


class Counted:
    """A log likelihood that counts its points."""

    def __init__(self, log_likelihood):
        self.log_likelihood, self.points = log_likelihood, 0

    def __call__(self, x):
        self.points += len(x) if x.ndim > 1 else 1
        return self.log_likelihood(x)


def effective(log_weights):
    """Kish's number of effective samples."""
    weights = np.exp(log_weights - np.max(log_weights))
    return weights.sum() ** 2 / (weights**2).sum()


def run_pocomc(prior, log_likelihood, seed):
    import pocomc
    start = time.perf_counter(), time.process_time()
    sampler = pocomc.Sampler(prior=prior, likelihood=log_likelihood, vectorize=True,
                             random_state=seed)
    sampler.run(n_evidence=0, progress=False)
    sampled = time.perf_counter()
    # The second call finds enough particles and does no more than the evidence, by the default
    # number of draws, so that its share of the time is known.
    sampler.run(progress=False)
    end = time.perf_counter(), time.process_time()
    log_z, error = sampler.evidence()
    _, log_weights, _, _ = sampler.posterior(return_logw=True, trim_importance_weights=False)
    return start, end, {"log_integral": log_z, "error": error, "draws_s": end[0] - sampled,
                        "effective_samples": effective(log_weights)}


def run_dynesty(prior, log_likelihood, seed):
    import dynesty
    start = time.perf_counter(), time.process_time()
    sampler = dynesty.NestedSampler(log_likelihood, prior.transform, prior.dim,
                                    rstate=np.random.default_rng(seed))
    sampler.run_nested(print_progress=False)
    end = time.perf_counter(), time.process_time()
    results = sampler.results
    return start, end, {"log_integral": results.logz[-1], "error": results.logzerr[-1],
                        "effective_samples": effective(results.logwt)}


SAMPLERS = {"pocomc": run_pocomc, "dynesty": run_dynesty}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sampler", choices=SAMPLERS, required=True)
    parser.add_argument("--energy", choices=peer_energies.FUNCTIONS, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    prior, log_likelihood = peer_energies.posterior(peer_energies.rows()[arguments.energy])
    counted = Counted(log_likelihood)
    with np.errstate(all="ignore"):
        start, end, result = SAMPLERS[arguments.sampler](prior, counted, arguments.seed)
    result |= {"evaluations": counted.points, "seconds": end[0] - start[0],
               "processor_seconds": end[1] - start[1]}
    print(json.dumps({key: float(value) for key, value in result.items()}))


main()
