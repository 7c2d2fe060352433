"""Requirements, package indexes and images of components."""

from kfp import dsl


@dsl.component(packages_to_install=["scikit-learn", "pandas>=2,<3; python_version>='3.9'"])
def two_packages():
    print("ok")


@dsl.component(
    base_image="python:3.12-slim",
    packages_to_install=["requests[socks]==2.32.*"],
    pip_index_urls=["https://pypi.example/simple", "https://more.example/simple"],
)
def own_index():
    print("ok")


@dsl.component(
    packages_to_install=["numpy"],
    pip_index_urls=["https://pypi.example/simple"],
    pip_trusted_hosts=["pypi.example"],
)
def trusted():
    print("ok")


@dsl.component(
    packages_to_install=["numpy"], pip_index_urls=["https://pypi.example/simple"], pip_trusted_hosts=[]
)
def untrusted():
    print("ok")


@dsl.component(install_kfp_package=False)
def nothing_to_install():
    print("ok")


@dsl.component(install_kfp_package=False, packages_to_install=["numpy"], base_image="kfp:latest")
def only_mine():
    print("ok")


@dsl.component(packages_to_install=["kfp==2.16.0"])
def pinned_kfp():
    print("ok")


@dsl.component(kfp_package_path="git+https://git.example/kfp@refs/pull/1/merge")
def kfp_from_git():
    print("ok")


@dsl.pipeline
def packages():
    two_packages()
    own_index()
    trusted()
    untrusted()
    nothing_to_install()
    only_mine()
    pinned_kfp()
    kfp_from_git()
