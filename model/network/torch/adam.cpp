#include "model/network/torch/adam.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <c10/core/GradMode.h>
#include <cmath>

adam::adam(const std::vector<at::Tensor> &parameters, const adam_rates &given) : rates(given) {
    for (const at::Tensor &parameter : parameters)
        moments.push_back({parameter, at::zeros_like(parameter), at::zeros_like(parameter),
                           rates.average > 0 ? parameter.detach().clone() : at::Tensor()});
}

void adam::forget_gradients() {
    for (adam_moments &of : moments)
        of.parameter.mutable_grad().reset();
}

void adam::step() {
    c10::NoGradGuard no_gradient;
    steps++;
    double t = static_cast<double>(steps);
    double correction1 = 1 - std::pow(rates.beta1, t), correction2 = 1 - std::pow(rates.beta2, t);
    for (adam_moments &of : moments) {
        const at::Tensor &gradient = of.parameter.grad();
        of.m.mul_(rates.beta1).add_(gradient, 1 - rates.beta1);
        of.v.mul_(rates.beta2).addcmul_(gradient, gradient, 1 - rates.beta2);
        at::Tensor root = (of.v / correction2).sqrt_().add_(rates.epsilon);
        of.parameter.addcdiv_(of.m, root, -rates.learning_rate / correction1);
        if (of.average.defined())
            of.average.lerp_(of.parameter, 1 - std::min(rates.average, (1 + t) / (10 + t)));
    }
}
