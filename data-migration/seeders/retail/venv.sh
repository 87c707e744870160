# Sourced by what reads the retail data: makes the virtual environment $venv in target/retail-venv of the repository $root,
# where requirements.txt has changed since it was made.
venv="$root/target/retail-venv"
requirements="$root/data-migration/seeders/retail/requirements.txt"
stamp="$venv/installed-requirements.txt"

# The stamp is written last, so an interrupted installation is made anew.
if ! cmp -s "$requirements" "$stamp"; then
  echo "retail: preparing the virtual environment" >&2
  mkdir -p "$root/target"
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$requirements" >&2
  cp "$requirements" "$stamp"
fi
