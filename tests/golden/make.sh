#!/bin/bash
# Makes small runs of the format that a tool writes: make.sh TOOL FOLDER. Each run is kept with a few
# points and the log densities in double that the tool itself gave them.
set -eu
tool=$(realpath "$1")
out=$(realpath -m "$2")
cd "$(dirname "$0")/points"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
common="--quiet --threads 1 --set training.iterations=12 --set training.batch_size=32 --set flow.blocks=2
  --set flow.hidden=[5] --set base.hidden=[5] --set base.proposals=64 --set final_proposals=4096
  --set base.flow_blocks=2 --set base.flow_hidden=[4] --set base.components=3 --set training.patience=0
  --set training.learning_rate=0.03"

# one NAME POINTS [SETTINGS]: POINTS are a table here, or "target", for an energy in the plane.
one() {
  local name=$1 points=$2 source="--data $2.csv" folder=$out/$1
  shift 2
  if [ "$points" = target ]; then
    source="--target double_well --set training.objective=reverse_kl"
    points=plane
  fi
  "$tool" train $source --out "$work/$name" $common "$@" > "$work/log" 2>&1 ||
    { tail -n 3 "$work/log"; exit 1; }
  rm -rf "$folder"
  mkdir -p "$folder"
  head -n 8 $points.csv > "$folder/points.csv"
  "$tool" log-prob "$work/$name" "$folder/points.csv" --precision double --threads 1 --quiet \
    --out "$folder/log_prob.csv"
  # Without comments and the folder that the points lay in.
  sed 's#^path = .*csv"#path = "points.csv"#; s#  *\# .*$##' "$work/$name/config.toml" > "$folder/config.toml"
  cp "$work/$name/manifest.json" "$work/$name/model.safetensors" "$folder"
}

one random_permutation five --set flow.permutation=random
one lu five --set flow.permutation=lu --seed 3
one swap three --set flow.permutation=swap --set flow.scale_map=tanh --set flow.activation=gelu
one reverse three --set flow.permutation=reverse --set flow.scale_map=sigmoid --set flow.network=residual --set flow.activation=leaky_relu
one volume_preserving three --set flow.permutation=none --set flow.scale_map=none --set flow.act_norm=true --set flow.activation=elu --set base.kind=trainable_normal
one spline three --set flow.kind=spline --set flow.permutation=random --set flow.bins=4 --set flow.network=residual --set flow.activation=silu
one columns mixed --set flow.kind=spline --set flow.permutation=swap --set flow.act_norm=false --set flow.bins=3 --periodic phi=-3.141592653589793:3.141592653589793 --bounds "c=0:,u=0:1" --integers k
one bounds five --set flow.permutation=random --bounds "c=0:,u=0:1,d=:2"
one columns_lu mixed --set flow.kind=spline --set flow.permutation=lu --set base.kind=resampled --set flow.act_norm=false --set flow.bins=3 --periodic phi=-3.141592653589793:3.141592653589793 --bounds "c=0:,u=0:1" --integers k
one derived states --set flow.heads=false --set flow.kind=spline --set flow.bins=3 --set flow.permutation=swap
one elementwise_spline one --set flow.kind=elementwise_spline --set flow.bins=5
one circles angles --set flow.kind=elementwise_spline --set flow.bins=3 --set flow.permutation=none --set flow.act_norm=false --periodic phi=-3.141592653589793:3.141592653589793
one smooth mixed --set flow.kind=smooth --set flow.bumps=3 --periodic phi=-3.141592653589793:3.141592653589793 --bounds "c=0:,u=0:1" --integers k
one smooth_given given --condition t --set flow.kind=smooth --set flow.network=residual --set flow.activation=tanh --set flow.ramp=monomial --set flow.ramp_power=4 --set flow.permutation=random --set base.kind=resampled --set base.proposal=uniform
one elementwise_smooth one --set flow.kind=elementwise_smooth --set flow.ramp_power=2
one smooth_circles angles --set flow.kind=elementwise_smooth --set flow.bumps=4 --set flow.permutation=none --periodic phi=-3.141592653589793:3.141592653589793
one logistic mixed --set flow.kind=logistic --set flow.bumps=3 --set flow.permutation=swap --periodic phi=-3.141592653589793:3.141592653589793 --bounds "c=0:,u=0:1" --integers k
one logistic_given given --condition t --set flow.kind=logistic --set flow.bumps=4 --set flow.permutation=lu --set flow.activation=tanh
one elementwise_logistic one --set flow.kind=elementwise_logistic
one autoregressive_affine given --condition t --set flow.kind=autoregressive_affine --set flow.permutation=random --set flow.activation=softplus
one soft_clip three --set flow.kind=real_nvp --set flow.permutation=random --set flow.scale_map=soft_clip
one soft_clip_spline three --set flow.kind=autoregressive_spline --set flow.permutation=random --set flow.bins=3 --set flow.scale_map=soft_clip
one autoregressive_spline three --set flow.kind=autoregressive_spline --set flow.permutation=lu --set flow.bins=3 --set flow.activation=tanh
one residual three --set flow.kind=residual --set flow.hidden=[4,4]
one residual_given given --condition t --set flow.kind=residual --set flow.hidden=[4]
one condition given --condition t --set flow.permutation=lu --set flow.network=residual --set flow.activation=sigmoid
one kinds kinds
one kinds_couplings kinds --set flow.kind=spline --set flow.heads=false --set flow.bins=3 --set flow.permutation=lu --set flow.blocks=1
one kinds_given kinds --condition who,when --set flow.permutation=random --set flow.kind=real_nvp
one free_form three --set flow.kind=free_form --set flow.network=mlp --set flow.hidden=[5,4] --set flow.activation=tanh --set flow.blocks=1 --set training.learning_rate=0.01
one free_form_given given --condition t --set flow.kind=free_form --set flow.network=residual_mlp --set flow.network_blocks=1 --set flow.activation=tanh --set flow.heads=false --set flow.act_norm=true --set training.learning_rate=0.01
one continuous three --set flow.kind=continuous --set flow.network=mlp --set flow.hidden=[5,4] --set flow.activation=tanh --set flow.blocks=1 --set flow.steps=3
one continuous_given given --condition t --set flow.kind=continuous --set flow.hidden=[5] --set flow.blocks=1 --set flow.steps=2 --set training.pairing=optimal_transport
one continuous_particles particles --set base.kind=mean_free_normal --set base.dimensions=2 --set flow.kind=continuous --set flow.network_blocks=1 --set flow.blocks=1 --set flow.steps=2 --set training.pairing=equivariant
one missing gaps --kinds who=missing,n=missing,x=missing
one missing_couplings gaps --columns n,x,z --kinds n=missing,x=missing --set flow.kind=spline --set flow.bins=3 --set flow.permutation=lu
one continuously_indexed two --set flow.index_features=1 --set flow.index_hidden=[4] --set importance_samples=5 --set flow.permutation=random
one mean_free_normal two --set base.kind=mean_free_normal --set base.dimensions=1 --set flow.kind=none --set training.iterations=0
one particles particles --set base.kind=mean_free_normal --set base.dimensions=2 --set flow.kind=free_form --set flow.network_blocks=1 --set flow.hidden=[3] --set flow.blocks=1
one particle_types particles --set base.kind=mean_free_normal --set base.dimensions=2 --set flow.kind=continuous --set flow.network_blocks=1 --set flow.blocks=1 --set flow.steps=2 --set training.pairing=equivariant --set flow.particle_types=[0,1,0]
one species molecules --set data.particles=2 --set data.species=true --set flow.kind=free_form --set flow.network_blocks=1 --set flow.hidden=[3] --set flow.blocks=1
one species_continuous molecules --set data.particles=2 --set data.species=true --set flow.kind=continuous --set flow.network_blocks=1 --set flow.blocks=1 --set flow.steps=2 --set training.pairing=equivariant
one mixture two --set base.kind=mixture --set flow.permutation=random
one resampled two --set base.kind=resampled --set base.truncation=10
one resampled_flow three --set base.kind=resampled --set base.proposal=flow --set base.truncation=0 --set flow.permutation=random
one resampled_mixture two --set base.kind=resampled --set base.proposal=mixture --set flow.permutation=lu
one resampled_classes classes --condition s --set base.kind=resampled --set base.proposal=trainable_normal --set base.conditional=both --set flow.permutation=lu
one stack two --set base.kind=stack --set flow.kind=none --set precision=double
one classes classes --condition s --set base.conditional=proposal --set flow.permutation=random
one stochastic target --set "stochastic.kind=metropolis,mala" --set stochastic.steps=2 --set importance_samples=3 --set stochastic.step_size=0.1 --set flow.permutation=random --set base.kind=normal
one stochastic_forces target --set "stochastic.kind=langevin,inertial" --set stochastic.steps=2 --set importance_samples=3 --set stochastic.step_size=0.02 --set stochastic.trainable=true --set flow.permutation=random --set base.kind=normal
# That of format 1 has no last_step_size: its layers took scheduled steps in the wrong order backward, put right since.
one hmc target --set flow.kind=none --set flow.act_norm=false --set "stochastic.kind=hmc" --set stochastic.steps=2 --set importance_samples=3 --set stochastic.step_size=0.1 --set stochastic.last_step_size=0.2 --set base.kind=trainable_normal
one learned_energy target --set "stochastic.kind=metropolis" --set stochastic.energy=learned --set stochastic.every=2 --set importance_samples=3 --set stochastic.step_size=0.1 --set flow.permutation=random --set base.kind=resampled
