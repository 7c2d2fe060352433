"""Steps in images with nothing but a shell: parameters and artifacts in and out."""

from kfp import dsl


@dsl.container_component
def count_words(text: str, words: dsl.OutputPath(int), upper: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="busybox:1.36",
        command=["sh", "-ec"],
        args=[
            'mkdir -p "$(dirname "$1")" "$(dirname "$2")"; echo "$0" | wc -w > "$1"; echo "$0" | tr a-z A-Z > "$2"',
            text,
            words,
            upper,
        ],
    )


@dsl.container_component
def save(text: str, count: int, file: dsl.Output[dsl.Artifact], folder: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["sh", "-ec", 'mkdir -p "$(dirname "$2")" "$3"; echo "$0 $1" > "$2"; cp "$2" "$3/part-0"'],
        args=[text, count, file.path, folder.path],
    )


@dsl.container_component
def load(file: dsl.Input[dsl.Artifact], folder: dsl.Input[dsl.Dataset]):
    return dsl.ContainerSpec(image="alpine:3.20", command=["cat", file.path], args=[f"{folder.path}/part-0"])


@dsl.pipeline
def images_without_python(text: str = "one two three"):
    counted = count_words(text=text)
    saved = save(text=counted.outputs["upper"], count=counted.outputs["words"])
    load(file=saved.outputs["file"], folder=saved.outputs["folder"])
